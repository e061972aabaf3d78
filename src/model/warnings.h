// What loads and may still draft badly: nothing here stops a graft unless the user asks for that.
#pragma once

#include <vector>

#include "mtpgraft/head.h"

namespace mtpgraft {

std::vector<Warning> find_warnings(const GgufFile& target, const GgufFile& donor, const Head& donor_head,
                                   const HeadData& head_data);

}  // namespace mtpgraft
