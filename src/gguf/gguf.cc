#include "mtpgraft/gguf.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

#include "util/checked.h"

namespace mtpgraft {
namespace {

struct ValueTypeEntry {
  std::string_view name;
  std::uint64_t bytes;
};

constexpr auto kValueTypes = std::to_array<ValueTypeEntry>({{"u8", 1},
                                                            {"i8", 1},
                                                            {"u16", 2},
                                                            {"i16", 2},
                                                            {"u32", 4},
                                                            {"i32", 4},
                                                            {"f32", 4},
                                                            {"bool", 1},
                                                            {"string", 0},
                                                            {"array", 0},
                                                            {"u64", 8},
                                                            {"i64", 8},
                                                            {"f64", 8}});

// The element as the C++ type that matches `type`, handed to `use`; false if it is not kept.
template <class Use>
bool with_element(const KeyValue& item, std::uint64_t index, Use use) {
  const auto bytes = value_type_bytes(item.element_type);
  if (bytes == 0 || index >= item.element_count || !range_fits(index * bytes, bytes, item.kept.size())) {
    return false;
  }
  const auto load = [&]<class T>(T value) {
    std::memcpy(&value, item.kept.data() + index * bytes, sizeof(T));
    use(value);
  };
  switch (item.element_type) {
    case ValueType::kU8:
    case ValueType::kBool:
      load(std::uint8_t{});
      break;
    case ValueType::kI8:
      load(std::int8_t{});
      break;
    case ValueType::kU16:
      load(std::uint16_t{});
      break;
    case ValueType::kI16:
      load(std::int16_t{});
      break;
    case ValueType::kU32:
      load(std::uint32_t{});
      break;
    case ValueType::kI32:
      load(std::int32_t{});
      break;
    case ValueType::kU64:
      load(std::uint64_t{});
      break;
    case ValueType::kI64:
      load(std::int64_t{});
      break;
    case ValueType::kF32:
      load(float{});
      break;
    case ValueType::kF64:
      load(double{});
      break;
    case ValueType::kString:
    case ValueType::kArray:
      return false;
  }
  return true;
}

template <class Integer>
std::optional<Integer> integer_as(const KeyValue& item, std::uint64_t index) {
  std::optional<Integer> result;
  with_element(item, index, [&]<class T>(T value) {
    if constexpr (std::is_integral_v<T>) {
      if (std::in_range<Integer>(value)) {
        // Any byte but 0 is true, as ggml reads it.
        result = item.element_type == ValueType::kBool ? Integer{value != 0} : static_cast<Integer>(value);
      }
    }
  });
  return result;
}

std::string_view as_text(const std::vector<std::byte>& bytes, std::size_t from, std::size_t length) {
  return {reinterpret_cast<const char*>(bytes.data()) + from, length};
}

}  // namespace

std::string_view value_type_name(ValueType type) { return kValueTypes[static_cast<std::size_t>(type)].name; }

std::uint64_t value_type_bytes(ValueType type) { return kValueTypes[static_cast<std::size_t>(type)].bytes; }

std::optional<std::int64_t> KeyValue::integer_at(std::uint64_t index) const {
  return integer_as<std::int64_t>(*this, index);
}

std::optional<std::uint64_t> KeyValue::unsigned_at(std::uint64_t index) const {
  return integer_as<std::uint64_t>(*this, index);
}

std::optional<double> KeyValue::number_at(std::uint64_t index) const {
  std::optional<double> result;
  with_element(*this, index, [&](auto value) { result = static_cast<double>(value); });
  return result;
}

std::optional<std::string_view> KeyValue::text() const {
  if (type != ValueType::kString || !is_complete()) {
    return std::nullopt;
  }
  return as_text(kept, 0, kept.size());
}

std::vector<std::string_view> KeyValue::kept_strings() const {
  std::vector<std::string_view> strings;
  if (!is_array() || element_type != ValueType::kString) {
    return strings;
  }
  std::size_t at = 0;
  std::uint64_t length = 0;
  while (range_fits(at, sizeof(length), kept.size())) {
    std::memcpy(&length, kept.data() + at, sizeof(length));
    at += sizeof(length);
    if (!range_fits(at, length, kept.size())) {
      break;
    }
    strings.push_back(as_text(kept, at, length));
    at += length;
  }
  return strings;
}

std::optional<GgufValue> KeyValue::value() const {
  return is_complete() ? std::optional(GgufValue{type, element_type, element_count, kept}) : std::nullopt;
}

const Shard& GgufFile::file_at(std::uint64_t offset) const {
  return *(std::ranges::upper_bound(files, offset, {}, &Shard::offset) - 1);
}

std::span<const TensorInfo> GgufFile::tensors_of_file(std::size_t index) const {
  std::size_t first = 0;
  for (std::size_t i = 0; i < index; ++i) {
    first += files[i].tensor_count;
  }
  return std::span(tensors).subspan(first, files[index].tensor_count);
}

KeyValue as_read(const GgufValue& value) {
  KeyValue item;
  item.type = value.type;
  item.element_type = value.element_type;
  item.element_count = value.element_count;
  item.end = value.bytes.size();
  item.kept = value.bytes;
  return item;
}

const KeyValue* GgufFile::find_key(std::string_view key) const {
  const auto found = std::ranges::find(keys, key, &KeyValue::key);
  return found != keys.end() ? &*found : nullptr;
}

const TensorInfo* GgufFile::find_tensor(std::string_view name) const {
  const auto found = std::ranges::find(tensors, name, &TensorInfo::name);
  return found != tensors.end() ? &*found : nullptr;
}

std::string_view GgufFile::architecture() const {
  const auto* item = find_key("general.architecture");
  return item != nullptr ? item->text().value_or("") : "";
}

const KeyValue* GgufFile::find_arch_key(std::string_view key) const {
  return find_key(std::string(architecture()).append(".").append(key));
}

}  // namespace mtpgraft
