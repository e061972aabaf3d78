#pragma once

#include <cstdlib>
#include <string>

namespace mtpgraft {

// The variable's value; empty if it is not set.
inline std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace mtpgraft
