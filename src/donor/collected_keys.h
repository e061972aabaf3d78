// The keys of one architecture, put together one by one.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gguf/serialize.h"

namespace mtpgraft {

// A later value takes the place of an earlier one.
class CollectedKeys {
 public:
  explicit CollectedKeys(std::string_view architecture) : architecture_(architecture) {}

  void add_count(std::string_view key, std::optional<std::uint64_t> value) {
    if (value && *value <= UINT32_MAX) {
      put(key, serialize_key(full(key), u32_value(static_cast<std::uint32_t>(*value))));
    }
  }
  void add_number(std::string_view key, std::optional<double> value) {
    if (value) {
      put(key, serialize_key(full(key), f32_value(static_cast<float>(*value))));
    }
  }
  template <class T>
  void add_array(std::string_view key, ValueType type, const std::vector<T>& values) {
    GgufValue array{ValueType::kArray, type, values.size(), {}};
    for (const auto value : values) {
      append_value(array.bytes, value);
    }
    put(key, serialize_key(full(key), array));
  }

  std::vector<Bytes> take() {
    std::vector<Bytes> records;
    for (auto& [key, record] : records_) {
      records.push_back(std::move(record));
    }
    return records;
  }

 private:
  [[nodiscard]] std::string full(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }
  void put(std::string_view key, Bytes record) {
    const auto found = std::ranges::find(records_, key, &decltype(records_)::value_type::first);
    if (found != records_.end()) {
      found->second = std::move(record);
    } else {
      records_.emplace_back(key, std::move(record));
    }
  }

  std::string_view architecture_;
  std::vector<std::pair<std::string, Bytes>> records_;
};

}  // namespace mtpgraft
