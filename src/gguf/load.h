// A number at any address.
#pragma once

#include <cstddef>
#include <cstring>

namespace mtpgraft {

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

}  // namespace mtpgraft
