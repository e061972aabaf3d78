#include "report/key_json.h"

#include <cmath>

#include "gguf/describe.h"

namespace mtpgraft::report {
namespace {

constexpr std::uint64_t kShownElements = 512;

// 64-bit integers as strings, since many JSON readers keep only 53 bits; NaN and infinities too.
Json element_json(const GgufValue& value, std::uint64_t index) {
  const auto integer = value.integer_at(index);
  switch (value.element_type) {
    case ValueType::kBool:
      return integer.value_or(0) != 0;
    case ValueType::kU64:
    case ValueType::kI64:
      return describe_element(value, index);
    case ValueType::kF32:
    case ValueType::kF64: {
      const auto number = value.number_at(index).value_or(0);
      return std::isfinite(number) ? Json(number)
                                   : Json(std::isnan(number) ? "NaN"
                                          : number > 0       ? "Infinity"
                                                             : "-Infinity");
    }
    default:
      return integer ? Json(*integer) : Json(nullptr);
  }
}

// "type", "value", "is_complete", of arrays "element_type" and "count".
void add_value(Json& json, const GgufValue& value, bool is_complete) {
  json["type"] = value_type_name(value.type);
  if (const auto text = value.text()) {
    json["value"] = std::string(*text);
    json["is_complete"] = is_complete;
    return;
  }
  if (!value.is_array()) {
    json["value"] = element_json(value, 0);
    json["is_complete"] = true;
    return;
  }
  json["element_type"] = value_type_name(value.element_type);
  json["count"] = value.element_count;
  auto values = Json::array();
  if (value.element_type == ValueType::kString) {
    for (const auto text : value.strings()) {
      if (values.size() == kShownElements) {
        break;
      }
      values.push_back(std::string(text));
    }
  } else {
    for (std::uint64_t i = 0; i < value.element_count && i < kShownElements; ++i) {
      values.push_back(element_json(value, i));
    }
  }
  json["is_complete"] = values.size() == value.element_count;
  json["value"] = std::move(values);
}

Json held_json(const std::optional<HeldValue>& held) {
  if (!held) {
    return nullptr;
  }
  Json json;
  add_value(json, held->value, held->is_complete());
  json["bytes"] = held->bytes;
  json["xxh128"] = to_hex(held->digest);
  return json;
}

// Old and new value of each, with length and digest.
Json edits_json(const std::vector<EditedKey>& edits) {
  auto json = Json::array();
  for (const auto& edit : edits) {
    json.push_back({{"key", edit.key}, {"from", held_json(edit.from)}, {"to", held_json(edit.to)}});
  }
  return json;
}

}  // namespace

Json key_json(const KeyValue& item) {
  Json json{{"key", item.key}};
  add_value(json, item.value, item.is_complete());
  return json;
}

void add_claims(Json& json, const std::optional<RecordLabels>& labels, const std::vector<EditedKey>& edits) {
  const bool has_type = labels && !labels->head_type.empty();
  json["edits"] = edits_json(edits);
  json["head_type"] = has_type ? Json(labels->head_type) : Json(nullptr);
  json["norm_offset"] = labels && labels->norm_offset ? Json(*labels->norm_offset) : Json(nullptr);
  json["recorded"] = nullptr;
  if (labels) {
    json["recorded"] = {{"tool", labels->tool},
                        {"target", labels->target_file},
                        {"donor", labels->donor_file},
                        {"donor_commit", labels->donor_commit.empty() ? Json(nullptr) : Json(labels->donor_commit)},
                        {"ggml", labels->ggml_version.empty() ? Json(nullptr) : Json(labels->ggml_version)}};
  }
}

}  // namespace mtpgraft::report
