#include "mtpgraft/gguf.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "gguf/scalar.h"
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

// Hands the element as the C++ type that it has to `use`; nothing if it is not there.
template <class Use>
void with_element(const GgufValue& value, std::uint64_t index, Use use) {
  const auto bytes = value_type_bytes(value.element_type);
  if (index >= value.element_count || !range_fits(index * bytes, bytes, value.bytes.size())) {
    return;
  }
  visit_scalar_type(value.element_type, [&](auto element) {
    std::memcpy(&element, value.bytes.data() + index * bytes, sizeof(element));
    use(element);
  });
}

template <class Integer>
std::optional<Integer> integer_as(const GgufValue& value, std::uint64_t index) {
  std::optional<Integer> result;
  with_element(value, index, [&]<class T>(T element) {
    if constexpr (std::is_integral_v<T>) {
      if (std::in_range<Integer>(element)) {
        // Any byte but 0 is true, as ggml reads it.
        result = value.element_type == ValueType::kBool ? Integer{element != 0} : static_cast<Integer>(element);
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

std::optional<std::int64_t> GgufValue::integer_at(std::uint64_t index) const {
  return integer_as<std::int64_t>(*this, index);
}

std::optional<std::uint64_t> GgufValue::unsigned_at(std::uint64_t index) const {
  return integer_as<std::uint64_t>(*this, index);
}

std::optional<double> GgufValue::number_at(std::uint64_t index) const {
  std::optional<double> result;
  with_element(*this, index, [&](auto element) { result = static_cast<double>(element); });
  return result;
}

std::optional<std::string_view> GgufValue::text() const {
  return type == ValueType::kString ? std::optional(as_text(bytes, 0, bytes.size())) : std::nullopt;
}

std::vector<std::string_view> GgufValue::strings() const {
  std::vector<std::string_view> strings;
  if (!is_array() || element_type != ValueType::kString) {
    return strings;
  }
  std::size_t at = 0;
  std::uint64_t length = 0;
  while (range_fits(at, sizeof(length), bytes.size())) {
    std::memcpy(&length, bytes.data() + at, sizeof(length));
    at += sizeof(length);
    if (!range_fits(at, length, bytes.size())) {
      break;
    }
    strings.push_back(as_text(bytes, at, length));
    at += length;
  }
  return strings;
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
