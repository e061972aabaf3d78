// Spells safetensors files. Shares no code with the program's reader.
#pragma once

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "memory_file_system.h"

namespace mtpgraft {

// The header's length, the header as it is, then zeros.
inline Bytes safetensors_of(std::string_view header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  Bytes bytes(sizeof length + header.size() + data_bytes);
  std::memcpy(bytes.data(), &length, sizeof length);
  std::memcpy(bytes.data() + sizeof length, header.data(), header.size());
  return bytes;
}

class SafetensorsBuilder {
 public:
  SafetensorsBuilder& tensor(const std::string& name, std::string_view dtype, const std::vector<std::uint64_t>& shape,
                             const Bytes& data) {
    header_[name] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {data_.size(), data_.size() + data.size()}}};
    data_.insert(data_.end(), data.begin(), data.end());
    return *this;
  }

  // All of one value.
  SafetensorsBuilder& floats(const std::string& name, const std::vector<std::uint64_t>& shape, float value) {
    std::size_t count = 1;
    for (const auto extent : shape) {
      count *= extent;
    }
    Bytes data(count * sizeof value);
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(&data[i * sizeof value], &value, sizeof value);
    }
    return tensor(name, "F32", shape, data);
  }

  [[nodiscard]] Bytes build() const {
    auto bytes = safetensors_of(header_.dump(), data_.size());
    std::ranges::copy(data_, bytes.end() - static_cast<std::ptrdiff_t>(data_.size()));
    return bytes;
  }

 private:
  nlohmann::json header_ = nlohmann::json::object();
  Bytes data_;
};

}  // namespace mtpgraft
