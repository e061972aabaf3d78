#pragma once

#include <string_view>

namespace mtpgraft {

// Whether convert_head() gives the head's tensor `name` the wanted type.
bool is_convertible(std::string_view name, bool is_vector);

}  // namespace mtpgraft
