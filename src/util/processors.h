#pragma once

#include <cstddef>

namespace mtpgraft {

// Those that the program may use; 0 if the system does not tell.
std::size_t usable_processors();

}  // namespace mtpgraft
