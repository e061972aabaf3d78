#pragma once

#include <cstddef>

namespace mtpgraft {

// The number of processors that the program may use; 0 if the system does not tell.
std::size_t usable_processors();

}  // namespace mtpgraft
