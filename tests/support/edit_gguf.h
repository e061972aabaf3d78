// Changes to a parsed file, for plans of files that no fixture has. Offsets are left as they were.
#pragma once

#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "mtpgraft/gguf.h"
#include "util/hash.h"

namespace mtpgraft {

template <class T>
constexpr ValueType value_type_of() {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::uint8_t>) {
    return std::is_same_v<T, bool> ? ValueType::kBool : ValueType::kU8;
  } else if constexpr (std::is_same_v<T, float>) {
    return ValueType::kF32;
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    return ValueType::kI32;
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    return ValueType::kU64;
  } else {
    static_assert(std::is_same_v<T, std::uint32_t>);
    return ValueType::kU32;
  }
}

// In place, or as the last key.
inline KeyValue& touch_key(GgufFile& gguf, std::string_view name) {
  for (auto& item : gguf.keys) {
    if (item.key == name) {
      return item;
    }
  }
  auto& item = gguf.keys.emplace_back();
  item.key = name;
  return item;
}

inline void set_value(KeyValue& item, ValueType type, ValueType element_type, std::uint64_t count, const void* data,
                      std::size_t size) {
  const auto* const bytes = static_cast<const std::byte*>(data);
  item.value = {type, element_type, count, {bytes, bytes + size}};
  item.end = item.value_offset + size;
  item.digest = digest_of(item.value.bytes);
}

template <class T>
void set_scalar(GgufFile& gguf, std::string_view name, T value) {
  set_value(touch_key(gguf, name), value_type_of<T>(), value_type_of<T>(), 1, &value, sizeof(T));
}

inline void set_u32(GgufFile& gguf, std::string_view name, std::uint32_t value) { set_scalar(gguf, name, value); }

inline void set_text(GgufFile& gguf, std::string_view name, std::string_view value) {
  set_value(touch_key(gguf, name), ValueType::kString, ValueType::kString, 1, value.data(), value.size());
}

template <class T>
void set_array(GgufFile& gguf, std::string_view name, const std::vector<T>& values) {
  std::vector<std::byte> raw(values.size() * sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T value = values[i];
    std::memcpy(raw.data() + i * sizeof(T), &value, sizeof(T));
  }
  set_value(touch_key(gguf, name), ValueType::kArray, value_type_of<T>(), values.size(), raw.data(), raw.size());
}

inline void remove_key(GgufFile& gguf, std::string_view name) {
  std::erase_if(gguf.keys, [&](const KeyValue& item) { return item.key == name; });
}

inline void remove_tensor(GgufFile& gguf, std::string_view name) {
  std::erase_if(gguf.tensors, [&](const TensorInfo& tensor) { return tensor.name == name; });
}

inline TensorInfo& edit_tensor(GgufFile& gguf, std::string_view name) {
  for (auto& tensor : gguf.tensors) {
    if (tensor.name == name) {
      return tensor;
    }
  }
  throw std::runtime_error("no tensor " + std::string(name));
}

// The value of general.architecture and the prefix of every key with it.
inline void rename_architecture(GgufFile& gguf, std::string_view name) {
  const std::string old = std::string(gguf.architecture()) + ".";
  for (auto& item : gguf.keys) {
    if (item.key.starts_with(old)) {
      item.key = std::string(name) + "." + item.key.substr(old.size());
    }
  }
  set_text(gguf, "general.architecture", name);
}

}  // namespace mtpgraft
