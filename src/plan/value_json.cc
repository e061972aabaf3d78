#include "plan/value_json.h"

#include <fmt/format.h>

#include <cmath>
#include <type_traits>
#include <utility>

#include "gguf/describe.h"
#include "gguf/scalar.h"
#include "gguf/serialize.h"
#include "util/checked.h"
#include "util/parse.h"
#include "util/text.h"

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

// False if `json` is no value of this type.
bool append_element(Bytes& bytes, ValueType type, const Json& json) {
  if (type == ValueType::kString) {
    if (json.is_string()) {
      append_string(bytes, json.get_ref<const std::string&>());
    }
    return json.is_string();
  }
  if (type == ValueType::kBool) {
    if (json.is_boolean()) {
      append_value(bytes, std::uint8_t{json.get<bool>()});
    }
    return json.is_boolean();
  }
  bool fits = false;
  visit_scalar_type(type, [&]<class T>(T) {
    if constexpr (std::is_integral_v<T>) {
      fits = json.is_number_unsigned() ? std::in_range<T>(json.get<std::uint64_t>())
                                       : json.is_number_integer() && std::in_range<T>(json.get<std::int64_t>());
    } else {
      fits = json.is_number() && std::isfinite(json.get<T>());
    }
    if (fits) {
      append_value(bytes, json.get<T>());
    }
  });
  return fits;
}

// False if `json` is no value of the type that `value` has.
bool fill(GgufValue& value, const Json& json) {
  if (value.type == ValueType::kString) {
    if (json.is_string()) {
      value = string_value(json.get_ref<const std::string&>());
    }
    return json.is_string();
  }
  if (!value.is_array()) {
    return append_element(value.bytes, value.type, json);
  }
  value.element_count = json.size();
  return json.is_array() && std::ranges::all_of(json, [&](const Json& element) {
           return append_element(value.bytes, value.element_type, element);
         });
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
  const auto strings = value.strings();
  std::size_t bytes = 0;
  for (const auto text : strings) {
    bytes += sizeof(std::uint64_t) + text.size();
  }
  return strings.size() == value.element_count && bytes == value.bytes.size();
}

// The functions below give nothing for what JSON cannot hold exactly.

std::optional<Json> text_to_json(std::string_view text) {
  return is_utf8(text) ? std::optional<Json>(std::string(text)) : std::nullopt;
}

std::optional<Json> number_to_json(const GgufValue& value, std::uint64_t index) {
  const auto number = value.number_at(index).value_or(0);
  switch (value.element_type) {
    case ValueType::kBool:
      // ggml takes any other byte for true.
      return number == 0 || number == 1 ? std::optional<Json>(number == 1) : std::nullopt;
    case ValueType::kF32:
    case ValueType::kF64:
      return std::isfinite(number) ? std::optional<Json>(number) : std::nullopt;
    default: {
      const auto integer = value.integer_at(index);
      return integer ? Json(*integer) : Json(value.unsigned_at(index).value_or(0));
    }
  }
}

std::optional<Json> plain_json(const GgufValue& value) {
  if (!is_whole(value)) {
    return std::nullopt;
  }
  if (const auto text = value.text()) {
    return text_to_json(*text);
  }
  if (!value.is_array()) {
    return number_to_json(value, 0);
  }
  auto json = Json::array();
  const auto strings = value.strings();
  for (std::uint64_t i = 0; i < value.element_count; ++i) {
    auto element = value.element_type == ValueType::kString ? text_to_json(strings[i]) : number_to_json(value, i);
    if (!element) {
      return std::nullopt;
    }
    json.push_back(std::move(*element));
  }
  return json;
}

}  // namespace

bool is_sound(const GgufValue& value) {
  const auto is_element = [](ValueType type) { return type <= ValueType::kF64 && type != ValueType::kArray; };
  const bool has_one = value.element_type == value.type && value.element_count == 1;
  return is_element(value.element_type) && (value.is_array() || has_one) && is_whole(value);
}

Json value_to_json(const GgufValue& value) {
  if (auto json = plain_json(value)) {
    return {{"type", type_name(value)}, {"value", std::move(*json)}};
  }
  return {{"type", type_name(value)}, {"count", value.element_count}, {"hex", to_hex(value.bytes)}};
}

std::optional<GgufValue> value_from_json(const Json& json) {
  auto value = empty_value(json.at("type").get_ref<const std::string&>());
  if (!value) {
    return std::nullopt;
  }
  if (!json.contains("hex")) {
    return fill(*value, json.at("value")) ? value : std::nullopt;
  }
  auto bytes = from_hex(json.at("hex").get_ref<const std::string&>());
  if (!bytes) {
    return std::nullopt;
  }
  value->element_count = json.at("count").get_ref<const Json::number_unsigned_t&>();
  value->bytes = std::move(*bytes);
  return is_sound(*value) ? value : std::nullopt;
}

Result<GgufValue> parse_value(std::string_view key, std::string_view type, const Json& json) {
  auto value = empty_value(type);
  if (!value) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("'{}' is no type for key '{}'", type, key),
                 .hint = "u8 i8 u16 i16 u32 i32 u64 i64 f32 f64 bool str, or one of them with [] for an array"};
  }
  if (!fill(*value, json)) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("the value for key '{}' is no {}: {}", key, type_name(*value),
                                        json.dump(-1, ' ', false, Json::error_handler_t::replace))};
  }
  return std::move(*value);
}

}  // namespace mtpgraft
