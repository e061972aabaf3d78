// What is said of a field that a plan does not have.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mtpgraft {

// Of those that its object can have, which one was probably meant: mistyped, as other programs or the command line
// call it, or in another object. Never empty.
std::string hint_at_field(std::string_view key, const std::vector<std::string_view>& names);

}  // namespace mtpgraft
