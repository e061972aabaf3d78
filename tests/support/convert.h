// Donors converted in memory, and where ggml is looked for.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

#include "models.h"
#include "mtpgraft/convert.h"

namespace mtpgraft {

inline Result<ConvertedDonor> try_convert(const Model& donor, std::string_view type, std::string ggml_path = {}) {
  const auto file = std::make_shared<MemoryFile>(donor.file->path(), donor.bytes());
  return convert_head(file, donor.gguf, {tensor_type_id(type).value(), std::move(ggml_path)});
}

inline ConvertedDonor convert(const Model& donor, std::string_view type) {
  auto converted = try_convert(donor, type);
  if (!converted.ok()) {
    throw std::runtime_error(converted.error().message);
  }
  return std::move(converted).value();
}

// A variable of the environment while it lives; null takes it out.
class EnvironmentVariable {
 public:
  EnvironmentVariable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) {
      before_ = before;
    }
    set(value);
  }
  EnvironmentVariable(const EnvironmentVariable&) = delete;
  EnvironmentVariable& operator=(const EnvironmentVariable&) = delete;
  ~EnvironmentVariable() { set(before_ ? before_->c_str() : nullptr); }

 private:
  void set(const char* value) {
    if (value != nullptr) {
      ::setenv(name_, value, 1);
    } else {
      ::unsetenv(name_);
    }
  }

  const char* name_;
  std::optional<std::string> before_;
};

inline Bytes read_whole(const ReadableFile& file) {
  Bytes bytes(file.size());
  const auto status = file.read_at(0, bytes);
  if (!status.ok()) {
    throw std::runtime_error(status.error().message);
  }
  return bytes;
}

// In pieces of up to `piece_max` bytes, of odd lengths.
inline Bytes read_in_odd_pieces(const ReadableFile& file, std::size_t piece_max) {
  Bytes bytes(file.size());
  std::mt19937 random(1);
  for (std::size_t at = 0; at < bytes.size();) {
    const auto length = std::min(1 + random() % piece_max, bytes.size() - at);
    const auto status = file.read_at(at, std::span(bytes).subspan(at, length));
    if (!status.ok()) {
      throw std::runtime_error(status.error().message);
    }
    at += length;
  }
  return bytes;
}

inline Model read_model(const ReadableFile& file) { return parse_model(file.path(), read_whole(file)); }

inline std::span<const std::byte> tensor_data(const Model& model, const TensorInfo& tensor) {
  return std::span(model.bytes()).subspan(tensor.offset, tensor.size_bytes);
}

}  // namespace mtpgraft
