#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mtpgraft {

// The paths of `name` that can be run, in the order of PATH. Entries that depend on the current directory do not count:
// it may be a folder that was downloaded.
std::vector<std::string> find_programs(std::string_view name);

}  // namespace mtpgraft
