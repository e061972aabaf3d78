// Which version of the library a program is linked with.
#pragma once

#include <string_view>

namespace mtpgraft {

// Returns "0.1.0". The text lives as long as the program and ends with a zero.
std::string_view version();

}  // namespace mtpgraft
