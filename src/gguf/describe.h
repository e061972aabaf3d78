#pragma once

#include <string>

#include "mtpgraft/gguf.h"

namespace mtpgraft {

// A scalar, or the array's element `index`, as people write it: "true", "12", "1e-06"; "?" if it is not kept.
std::string describe_element(const KeyValue& item, std::uint64_t index = 0);

// "u32", "bool[12]".
std::string describe_type(const KeyValue& item);

}  // namespace mtpgraft
