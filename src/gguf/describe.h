#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "mtpgraft/gguf.h"

namespace mtpgraft {

// A scalar, or the array's element `index`, as people write it: "true", "12", "1e-06"; "?" if it is not kept.
std::string describe_element(const GgufValue& value, std::uint64_t index = 0);

// The text of a key; empty if there is none, or it is no string.
std::string_view text_of(const GgufFile& file, std::string_view key);

// In quotes, printable, and shortened.
std::string quote(std::string_view text);

// The whole value, shortened: "\"yarn\"", "[1, 1, 2, ...]".
std::string describe_value(const GgufValue& value);

// Two values that differ. Of long texts that begin alike the parts are shown where they part.
std::pair<std::string, std::string> describe_both(const GgufValue& a, const GgufValue& b);

// "u32", "bool[]".
std::string type_name(const GgufValue& value);

// "u32", "bool[12]".
std::string describe_type(const GgufValue& value);

}  // namespace mtpgraft
