#include "donor/head_description.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "gguf/serialize.h"
#include "model/architectures.h"
#include "plan/value_json.h"
#include "util/json.h"

namespace mtpgraft {
namespace {

// Below what a reader takes as one string, with its quotes escaped.
constexpr std::size_t kKeysBytesMax = std::size_t{24} << 10;

constexpr JsonLimits kLimits{.separators = std::size_t{1} << 16, .token_bytes = std::size_t{1} << 12};

// Of a string scalar. None that tells of a head is longer.
constexpr std::uint64_t kTextBytesMax = 256;

bool is_plain(std::string_view key) {
  return std::ranges::all_of(key, [](char c) { return c > ' ' && c < '\x7F'; });
}

bool is_told(const GgufFile& gguf, const KeyValue& item) {
  const auto& value = item.value;
  const auto element = value.is_array() ? value.element_type : value.type;
  return item.key.starts_with(fmt::format("{}.", gguf.architecture())) && is_plain(item.key) && item.is_complete() &&
         value.element_count <= kBlocksMax && (element != ValueType::kString || value.bytes.size() <= kTextBytesMax);
}

KeyValue make_key(std::string key, GgufValue value) {
  KeyValue item;
  item.key = std::move(key);
  item.end = value.bytes.size();  // it is complete
  item.value = std::move(value);
  return item;
}

// Throws where something is missing or of another type.
std::optional<HeadDescription> read_description(const Json& json) {
  HeadDescription description;
  const auto name = json.at("architecture").get<std::string>();
  description.model.keys.push_back(make_key("general.architecture", string_value(name)));
  description.first_block = json.at("first_block").get_ref<const Json::number_unsigned_t&>();
  const auto norm_offset = json.at("norm_offset").get_ref<const Json::number_unsigned_t&>();
  description.norm_offset = norm_offset == 1 ? 1 : 0;
  description.tensors = json.at("tensors").get<std::vector<std::string>>();
  const auto keys = json.value("keys", Json::object());
  for (const auto& [key, value] : keys.items()) {
    auto sound = value_from_json(value);
    if (!sound || !is_plain(key) || !key.starts_with(name + '.')) {
      return std::nullopt;
    }
    description.model.keys.push_back(make_key(key, std::move(*sound)));
  }
  return description.first_block <= kBlocksMax && norm_offset <= 1 ? std::optional(std::move(description))
                                                                   : std::nullopt;
}

}  // namespace

std::string format_description(const GgufFile& gguf, const Head& head, int norm_offset) {
  auto tensors = Json::array();
  for (const auto index : head.tensors) {
    const auto& name = gguf.tensors[index].name;
    const auto split = split_block_name(name);
    tensors.push_back(split ? fmt::format("{}.{}", split->block - head.first_block, split->name) : name);
  }
  auto keys = Json::object();
  std::size_t bytes = 0;
  for (const auto& item : gguf.keys) {
    if (is_told(gguf, item)) {
      auto value = value_to_json(item.value);
      bytes += item.key.size() + value.dump().size();
      keys[item.key] = std::move(value);
    }
  }
  Json json{{"architecture", gguf.architecture()},
            {"first_block", head.first_block},
            {"norm_offset", norm_offset},
            {"tensors", std::move(tensors)}};
  if (bytes <= kKeysBytesMax) {
    json["keys"] = std::move(keys);
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<HeadDescription> parse_description(std::string_view text) {
  const auto json = parse_json<Json>(text, kLimits);
  if (!json.ok()) {
    return std::nullopt;
  }
  try {
    return read_description(json.value());
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace mtpgraft
