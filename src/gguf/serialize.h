// Writes the pieces of a GGUF header.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <vector>

#include "mtpgraft/gguf.h"

namespace mtpgraft {

using Bytes = std::vector<std::byte>;

// Not vector::insert: GCC 12 sees an overflow in it where there is none.
inline void append_bytes(Bytes& bytes, const void* from, std::size_t length) {
  const auto size = bytes.size();
  bytes.resize(size + length);
  if (length > 0) {
    std::memcpy(bytes.data() + size, from, length);
  }
}

template <class T>
void append_value(Bytes& bytes, T value) {
  static_assert(std::is_arithmetic_v<T> && std::endian::native == std::endian::little);
  append_bytes(bytes, &value, sizeof(T));
}

void append_string(Bytes& bytes, std::string_view text);

Bytes serialize_counts(std::uint32_t version, std::uint64_t tensor_count, std::uint64_t key_count);
GgufValue u32_value(std::uint32_t value);
GgufValue f32_value(float value);
GgufValue string_value(std::string_view text);

Bytes serialize_key(std::string_view key, const GgufValue& value);

// `data_offset` is where the file's tensor data begin.
Bytes serialize_tensor_info(const TensorInfo& tensor, std::uint64_t data_offset);

}  // namespace mtpgraft
