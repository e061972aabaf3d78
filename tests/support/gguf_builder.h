// Spells a GGUF file in a few lines. Shares no code with the program's writer, so that the two cannot agree on a
// mistake.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "memory_file_system.h"
#include "mtpgraft/gguf.h"

namespace mtpgraft {

class GgufBuilder {
 public:
  GgufBuilder() = default;

  // With the keys and tensors of a parsed file.
  GgufBuilder(const Bytes& bytes, const GgufFile& gguf) : version_(gguf.version), alignment_(gguf.alignment) {
    const auto cut = [&](std::uint64_t from, std::uint64_t to) {
      return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(to));
    };
    for (const auto& item : gguf.keys) {
      keys_.push_back({item.key, cut(item.offset + 8 + item.key.size(), item.end)});
    }
    for (const auto& tensor : gguf.tensors) {
      const auto& shape = tensor.shape;
      tensors_.push_back({tensor.name,
                          {shape.begin(), shape.begin() + tensor.n_dims},
                          tensor.type,
                          cut(tensor.offset, tensor.offset + tensor.size_bytes)});
    }
  }

  GgufBuilder& version(std::uint32_t value) { return version_ = value, *this; }

  // Declares it and lays out by it.
  GgufBuilder& alignment(std::uint32_t value) {
    alignment_ = value;
    return key("general.alignment", value);
  }

  // In place of an earlier key of that name, else as the last one.
  GgufBuilder& key(std::string_view name, std::string_view text) {
    Bytes value;
    append(value, std::uint32_t{8});
    append_text(value, text);
    return raw_key(name, std::move(value));
  }
  GgufBuilder& key(std::string_view name, const char* text) { return key(name, std::string_view(text)); }

  template <class T>
  requires std::is_arithmetic_v<T> GgufBuilder& key(std::string_view name, T scalar) {
    Bytes value;
    append(value, static_cast<std::uint32_t>(type_of<T>()));
    append(value, scalar);
    return raw_key(name, std::move(value));
  }

  template <class T>
  requires std::is_arithmetic_v<T> GgufBuilder& key(std::string_view name, const std::vector<T>& elements) {
    auto value = array_start(type_of<T>(), elements.size());
    for (const T element : elements) {
      append(value, element);
    }
    return raw_key(name, std::move(value));
  }

  GgufBuilder& key(std::string_view name, const std::vector<std::string>& elements) {
    auto value = array_start(ValueType::kString, elements.size());
    for (const auto& element : elements) {
      append_text(value, element);
    }
    return raw_key(name, std::move(value));
  }

  GgufBuilder& without_key(std::string_view name) {
    std::erase_if(keys_, [&](const Key& item) { return item.name == name; });
    return *this;
  }

  // `value` begins with the type.
  GgufBuilder& raw_key(std::string_view name, Bytes value) {
    const auto found = std::ranges::find(keys_, name, &Key::name);
    if (found != keys_.end()) {
      found->value = std::move(value);
    } else {
      keys_.push_back({std::string(name), std::move(value)});
    }
    return *this;
  }

  // `data_bytes` bytes of `fill`.
  GgufBuilder& tensor(std::string_view name, std::vector<std::uint64_t> shape, std::uint32_t type,
                      std::size_t data_bytes, std::byte fill = std::byte{0x3C}) {
    tensors_.push_back({std::string(name), std::move(shape), type, Bytes(data_bytes, fill)});
    return *this;
  }

  // F32, all of one value.
  GgufBuilder& floats(std::string_view name, const std::vector<std::uint64_t>& shape, float value = 1) {
    std::size_t count = 1;
    for (const auto extent : shape) {
      count *= extent;
    }
    Bytes data;
    for (std::size_t i = 0; i < count; ++i) {
      append(data, value);
    }
    tensors_.push_back({std::string(name), shape, 0, std::move(data)});
    return *this;
  }

  GgufBuilder& without_tensor(std::string_view name) {
    std::erase_if(tensors_, [&](const Tensor& tensor) { return tensor.name == name; });
    return *this;
  }

  [[nodiscard]] Bytes build() const {
    Bytes file;
    for (const char c : std::string_view("GGUF")) {
      file.push_back(static_cast<std::byte>(c));
    }
    append(file, version_);
    append(file, std::uint64_t{tensors_.size()});
    append(file, std::uint64_t{keys_.size()});
    for (const auto& item : keys_) {
      append_text(file, item.name);
      file.insert(file.end(), item.value.begin(), item.value.end());
    }
    std::uint64_t offset = 0;
    for (const auto& tensor : tensors_) {
      append_text(file, tensor.name);
      append(file, static_cast<std::uint32_t>(tensor.shape.size()));
      for (const auto extent : tensor.shape) {
        append(file, extent);
      }
      append(file, tensor.type);
      append(file, offset);
      offset += padded(tensor.data.size());
    }
    for (const auto& tensor : tensors_) {
      file.resize(padded(file.size()));
      file.insert(file.end(), tensor.data.begin(), tensor.data.end());
    }
    file.resize(tensors_.empty() ? file.size() : padded(file.size()));
    return file;
  }

 private:
  struct Key {
    std::string name;
    Bytes value;
  };
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> shape;
    std::uint32_t type;
    Bytes data;
  };

  template <class T>
  static constexpr ValueType type_of() {
    if constexpr (std::is_same_v<T, bool>) {
      return ValueType::kBool;
    } else if constexpr (std::is_floating_point_v<T>) {
      return sizeof(T) == 4 ? ValueType::kF32 : ValueType::kF64;
    } else if constexpr (sizeof(T) == 8) {
      return std::is_signed_v<T> ? ValueType::kI64 : ValueType::kU64;
    } else {
      constexpr std::array kUnsigned{ValueType::kU8, ValueType::kU16, ValueType::kU32};
      constexpr std::array kSigned{ValueType::kI8, ValueType::kI16, ValueType::kI32};
      return (std::is_signed_v<T> ? kSigned : kUnsigned)[sizeof(T) / 2];
    }
  }

  template <class T>
  static void append(Bytes& bytes, T value) {
    std::array<std::byte, sizeof(T)> raw{};
    std::memcpy(raw.data(), &value, sizeof(T));
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  }

  static void append_text(Bytes& bytes, std::string_view text) {
    append(bytes, std::uint64_t{text.size()});
    const auto raw = std::as_bytes(std::span(text));
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  }

  static Bytes array_start(ValueType type, std::size_t count) {
    Bytes value;
    append(value, std::uint32_t{9});
    append(value, static_cast<std::uint32_t>(type));
    append(value, std::uint64_t{count});
    return value;
  }

  [[nodiscard]] std::size_t padded(std::size_t size) const { return (size + alignment_ - 1) / alignment_ * alignment_; }

  std::uint32_t version_ = 3;
  std::uint64_t alignment_ = 32;
  std::vector<Key> keys_;
  std::vector<Tensor> tensors_;
};

}  // namespace mtpgraft
