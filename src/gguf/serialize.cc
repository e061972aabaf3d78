#include "gguf/serialize.h"

#include "gguf/format.h"

namespace mtpgraft {
namespace {

void append_key(Bytes& bytes, std::string_view key, ValueType type) {
  append_string(bytes, key);
  append_value(bytes, static_cast<std::uint32_t>(type));
}

}  // namespace

void append_string(Bytes& bytes, std::string_view text) {
  append_value(bytes, std::uint64_t{text.size()});
  append_bytes(bytes, text.data(), text.size());
}

Bytes serialize_counts(std::uint32_t version, std::uint64_t tensor_count, std::uint64_t key_count) {
  Bytes bytes;
  append_value(bytes, format::kMagic);
  append_value(bytes, version);
  append_value(bytes, tensor_count);
  append_value(bytes, key_count);
  return bytes;
}

Bytes serialize_u32_key(std::string_view key, std::uint32_t value) {
  Bytes bytes;
  append_key(bytes, key, ValueType::kU32);
  append_value(bytes, value);
  return bytes;
}

Bytes serialize_string_key(std::string_view key, std::string_view value) {
  Bytes bytes;
  append_key(bytes, key, ValueType::kString);
  append_string(bytes, value);
  return bytes;
}

Bytes serialize_array_key(std::string_view key, ValueType element_type, std::uint64_t element_count,
                          const Bytes& elements) {
  Bytes bytes;
  append_key(bytes, key, ValueType::kArray);
  append_value(bytes, static_cast<std::uint32_t>(element_type));
  append_value(bytes, element_count);
  append_bytes(bytes, elements.data(), elements.size());
  return bytes;
}

Bytes serialize_tensor_info(const TensorInfo& tensor, std::uint64_t data_offset) {
  Bytes bytes;
  append_string(bytes, tensor.name);
  append_value(bytes, tensor.n_dims);
  for (std::uint32_t i = 0; i < tensor.n_dims; ++i) {
    append_value(bytes, tensor.shape[i]);
  }
  append_value(bytes, tensor.type);
  append_value(bytes, tensor.offset - data_offset);
  return bytes;
}

}  // namespace mtpgraft
