#include "gguf/serialize.h"

#include "gguf/format.h"

namespace mtpgraft {
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

GgufValue u32_value(std::uint32_t value) {
  GgufValue result{ValueType::kU32, ValueType::kU32, 1, {}};
  append_value(result.bytes, value);
  return result;
}

GgufValue f32_value(float value) {
  GgufValue result{ValueType::kF32, ValueType::kF32, 1, {}};
  append_value(result.bytes, value);
  return result;
}

GgufValue string_value(std::string_view text) {
  GgufValue result{ValueType::kString, ValueType::kString, 1, {}};
  append_bytes(result.bytes, text.data(), text.size());
  return result;
}

Bytes serialize_key(std::string_view key, const GgufValue& value) {
  Bytes bytes;
  append_string(bytes, key);
  append_value(bytes, static_cast<std::uint32_t>(value.type));
  if (value.type == ValueType::kArray) {
    append_value(bytes, static_cast<std::uint32_t>(value.element_type));
    append_value(bytes, value.element_count);
  } else if (value.type == ValueType::kString) {
    append_value(bytes, std::uint64_t{value.bytes.size()});
  }
  append_bytes(bytes, value.bytes.data(), value.bytes.size());
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
