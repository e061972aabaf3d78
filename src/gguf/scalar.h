// The one place that knows which C++ type a scalar of a GGUF has in memory, which is also how it stands in the file.
#pragma once

#include <cstdint>

#include "mtpgraft/gguf.h"

namespace mtpgraft {

// Calls `use(T{})` with the type of such a scalar, a byte for a bool, and returns true; false for strings and arrays.
template <class Use>
bool visit_scalar_type(ValueType type, Use use) {
  switch (type) {
    case ValueType::kU8:
    case ValueType::kBool:
      use(std::uint8_t{});
      return true;
    case ValueType::kI8:
      use(std::int8_t{});
      return true;
    case ValueType::kU16:
      use(std::uint16_t{});
      return true;
    case ValueType::kI16:
      use(std::int16_t{});
      return true;
    case ValueType::kU32:
      use(std::uint32_t{});
      return true;
    case ValueType::kI32:
      use(std::int32_t{});
      return true;
    case ValueType::kU64:
      use(std::uint64_t{});
      return true;
    case ValueType::kI64:
      use(std::int64_t{});
      return true;
    case ValueType::kF32:
      use(float{});
      return true;
    case ValueType::kF64:
      use(double{});
      return true;
    case ValueType::kString:
    case ValueType::kArray:
      return false;
  }
  return false;
}

}  // namespace mtpgraft
