// What the values of a head say about it, whatever it is for.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/head.h"

namespace mtpgraft {

// One sentence, which names the tensor, the place in it and the place in its file.
std::string describe_flaw(const GgufFile& donor, const ValueFlaw& flaw);

// The error that tells all flaws with which no head can draft, if there are any.
Status refuse_values(const GgufFile& donor, const HeadData& head_data);

// What could not be looked at, one sentence for each type.
std::vector<std::string> note_unknown_types(const HeadData& head_data);

// The other flaws, each one.
std::vector<Warning> warn_of_values(const GgufFile& donor, const HeadData& head_data);

}  // namespace mtpgraft
