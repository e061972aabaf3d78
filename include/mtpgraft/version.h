#pragma once

#include <string_view>

namespace mtpgraft {

// Of this library: "0.1.0".
std::string_view version();

}  // namespace mtpgraft
