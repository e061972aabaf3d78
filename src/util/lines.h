#pragma once

#include <string_view>
#include <vector>

namespace mtpgraft {

// The lines of a text without what ends them; what is behind the last one's end is no line. They are parts of the text.
std::vector<std::string_view> lines_of(std::string_view text);

}  // namespace mtpgraft
