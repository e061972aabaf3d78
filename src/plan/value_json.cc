#include "plan/value_json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "gguf/serialize.h"
#include "util/checked.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kArraySuffix = "[]";

std::optional<ValueType> find_scalar_type(std::string_view name) {
  for (auto id = static_cast<std::uint32_t>(ValueType::kU8); id <= static_cast<std::uint32_t>(ValueType::kF64); ++id) {
    const auto type = static_cast<ValueType>(id);
    if (type != ValueType::kArray && (name == value_type_name(type) || (type == ValueType::kString && name == "str"))) {
      return type;
    }
  }
  return std::nullopt;
}

// An empty value of this type; nothing for what is no type.
std::optional<GgufValue> empty_value(std::string_view type) {
  const bool is_array = type.ends_with(kArraySuffix);
  const auto element = find_scalar_type(is_array ? type.substr(0, type.size() - kArraySuffix.size()) : type);
  return element ? std::optional(GgufValue{is_array ? ValueType::kArray : *element, *element, 1, {}}) : std::nullopt;
}

std::string type_name(const GgufValue& value) {
  return fmt::format("{}{}", value_type_name(value.element_type),
                     value.type == ValueType::kArray ? kArraySuffix : std::string_view());
}

template <class T>
bool append_integer(Bytes& bytes, const Json& json) {
  const bool fits = json.is_number_unsigned() ? std::in_range<T>(json.get<std::uint64_t>())
                                              : json.is_number_integer() && std::in_range<T>(json.get<std::int64_t>());
  if (fits) {
    append_value(bytes, json.get<T>());
  }
  return fits;
}

template <class T>
bool append_number(Bytes& bytes, const Json& json) {
  if (!json.is_number()) {
    return false;
  }
  const auto value = json.get<T>();
  append_value(bytes, value);
  return std::isfinite(value);
}

// False if `json` is no value of this type.
bool append_element(Bytes& bytes, ValueType type, const Json& json) {
  switch (type) {
    case ValueType::kU8:
      return append_integer<std::uint8_t>(bytes, json);
    case ValueType::kI8:
      return append_integer<std::int8_t>(bytes, json);
    case ValueType::kU16:
      return append_integer<std::uint16_t>(bytes, json);
    case ValueType::kI16:
      return append_integer<std::int16_t>(bytes, json);
    case ValueType::kU32:
      return append_integer<std::uint32_t>(bytes, json);
    case ValueType::kI32:
      return append_integer<std::int32_t>(bytes, json);
    case ValueType::kU64:
      return append_integer<std::uint64_t>(bytes, json);
    case ValueType::kI64:
      return append_integer<std::int64_t>(bytes, json);
    case ValueType::kF32:
      return append_number<float>(bytes, json);
    case ValueType::kF64:
      return append_number<double>(bytes, json);
    case ValueType::kBool:
      if (json.is_boolean()) {
        append_value(bytes, static_cast<std::uint8_t>(json.get<bool>()));
      }
      return json.is_boolean();
    case ValueType::kString:
      if (json.is_string()) {
        append_string(bytes, json.get_ref<const std::string&>());
      }
      return json.is_string();
    case ValueType::kArray:
      break;
  }
  return false;
}

// False if `json` is no value of the type that `value` has.
bool fill(GgufValue& value, const Json& json) {
  if (value.type == ValueType::kString) {
    if (json.is_string()) {
      value = string_value(json.get_ref<const std::string&>());
    }
    return json.is_string();
  }
  if (value.type != ValueType::kArray) {
    return append_element(value.bytes, value.type, json);
  }
  value.element_count = json.size();
  return json.is_array() && std::ranges::all_of(json, [&](const Json& element) {
           return append_element(value.bytes, value.element_type, element);
         });
}

Json element_to_json(const KeyValue& item, std::uint64_t index) {
  if (item.element_type == ValueType::kBool) {
    return item.integer_at(index).value_or(0) != 0;
  }
  if (item.element_type == ValueType::kF32 || item.element_type == ValueType::kF64) {
    return item.number_at(index).value_or(0);
  }
  const auto integer = item.integer_at(index);
  return integer ? Json(*integer) : Json(item.unsigned_at(index).value_or(0));
}

Json plain_json(const KeyValue& item) {
  if (const auto text = item.text()) {
    return std::string(*text);
  }
  if (!item.is_array()) {
    return element_to_json(item, 0);
  }
  auto json = Json::array();
  if (item.element_type == ValueType::kString) {
    for (const auto text : item.kept_strings()) {
      json.push_back(std::string(text));
    }
  } else {
    for (std::uint64_t i = 0; i < item.element_count; ++i) {
      json.push_back(element_to_json(item, i));
    }
  }
  return json;
}

// Whether the JSON survives being written.
bool can_be_written(const Json& json) {
  try {
    (void)json.dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

std::string to_hex_digits(const Bytes& bytes) {
  std::string hex;
  for (const auto byte : bytes) {
    hex += fmt::format("{:02x}", std::to_integer<int>(byte));
  }
  return hex;
}

std::optional<Bytes> from_hex_digits(std::string_view hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    std::uint8_t byte = 0;
    const auto* end = hex.data() + i + 2;
    if (std::from_chars(hex.data() + i, end, byte, 16).ptr != end) {
      return std::nullopt;
    }
    bytes.push_back(std::byte{byte});
  }
  return hex.size() % 2 == 0 ? std::optional(std::move(bytes)) : std::nullopt;
}

// Whether the bytes are those of as many elements as the value has.
bool is_whole(const GgufValue& value) {
  if (value.element_type != ValueType::kString) {
    const auto bytes = checked_mul(value.element_count, value_type_bytes(value.element_type));
    return bytes == value.bytes.size();
  }
  if (value.type == ValueType::kString) {
    return true;
  }
  const auto item = as_read(value);
  const auto strings = item.kept_strings();
  std::size_t bytes = 0;
  for (const auto text : strings) {
    bytes += sizeof(std::uint64_t) + text.size();
  }
  return strings.size() == value.element_count && bytes == value.bytes.size();
}

}  // namespace

Json value_to_json(const GgufValue& value) {
  auto json = plain_json(as_read(value));
  auto again = empty_value(type_name(value)).value();
  if (can_be_written(json) && fill(again, json) && again == value) {
    return {{"type", type_name(value)}, {"value", std::move(json)}};
  }
  return {{"type", type_name(value)}, {"count", value.element_count}, {"hex", to_hex_digits(value.bytes)}};
}

std::optional<GgufValue> value_from_json(const Json& json) {
  auto value = empty_value(json.at("type").get_ref<const std::string&>());
  if (!value) {
    return std::nullopt;
  }
  if (!json.contains("hex")) {
    return fill(*value, json.at("value")) ? value : std::nullopt;
  }
  auto bytes = from_hex_digits(json.at("hex").get_ref<const std::string&>());
  if (!bytes) {
    return std::nullopt;
  }
  value->element_count = json.at("count").get_ref<const Json::number_unsigned_t&>();
  value->bytes = std::move(*bytes);
  const bool is_sound = (value->type == ValueType::kArray || value->element_count == 1) && is_whole(*value);
  return is_sound ? value : std::nullopt;
}

Result<GgufValue> parse_value(std::string_view key, std::string_view type, const Json& json) {
  auto value = empty_value(type);
  if (!value) {
    return Error{ErrorCode::kUsage,
                 fmt::format("'{}' is no type for key '{}'", type, key),
                 {},
                 {},
                 "u8 i8 u16 i16 u32 i32 u64 i64 f32 f64 bool str, or one of them with [] for an array"};
  }
  if (!fill(*value, json)) {
    return Error{ErrorCode::kUsage, fmt::format("the value for key '{}' is no {}: {}", key, type_name(*value),
                                                json.dump(-1, ' ', false, Json::error_handler_t::replace))};
  }
  return std::move(*value);
}

}  // namespace mtpgraft
