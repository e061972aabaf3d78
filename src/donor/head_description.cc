#include "donor/head_description.h"

#include <fmt/core.h>

#include <algorithm>
#include <span>
#include <utility>

#include "donor/transforms.h"
#include "gguf/serialize.h"
#include "gguf/tensor_types.h"
#include "model/architectures.h"
#include "model/standard_keys.h"
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

// Throws where something is missing or of another type.
std::optional<HeadDescription> read_description(const Json& json) {
  HeadDescription description;
  const auto name = json.at("architecture").get<std::string>();
  description.model.keys.push_back(made_key("general.architecture", string_value(name)));
  description.first_block = json.at("first_block").get_ref<const Json::number_unsigned_t&>();
  const auto norm_offset = json.at("norm_offset").get_ref<const Json::number_unsigned_t&>();
  description.norm_offset = norm_offset == 1 ? 1 : 0;
  description.tensors = json.at("tensors").get<std::vector<std::string>>();
  description.as_stored = json.value("as_stored", std::vector<std::string>());
  description.dequantized = json.value("dequantized", std::vector<std::string>());
  const auto keys = json.value("keys", Json::object());
  for (const auto& [key, value] : keys.items()) {
    auto sound = value_from_json(value);
    if (!sound || !is_plain(key) || !key.starts_with(name + '.')) {
      return std::nullopt;
    }
    description.model.keys.push_back(made_key(key, std::move(*sound)));
  }
  return description.first_block <= kBlocksMax && norm_offset <= 1 ? std::optional(std::move(description))
                                                                   : std::nullopt;
}

}  // namespace

std::string name_in_head(std::string_view tensor_name, std::uint64_t first_block) {
  const auto split = split_block_name(tensor_name);
  return split ? fmt::format("{}.{}", split->block - first_block, split->name) : std::string(tensor_name);
}

void keep_types(const HeadDescription& description, const HeadTensorGroups& groups, std::uint64_t first_block,
                HeadConfig& config) {
  for (const auto& [name, group] : groups) {
    if (std::ranges::find(description.as_stored, name_in_head(name, first_block)) != description.as_stored.end()) {
      config.as_stored.insert(name);
    }
  }
}

void add_keys(const GgufFile& model, std::vector<Bytes>& keys) {
  for (const auto& item : std::span(model.keys).subspan(1)) {
    keys.push_back(serialize_key(item.key, item.value));
  }
}

std::string format_description(const GgufFile& gguf, const Head& head, int norm_offset,
                               const std::vector<std::string>& dequantized) {
  auto tensors = Json::array();
  auto as_stored = Json::array();
  for (const auto index : head.tensors) {
    const auto& tensor = gguf.tensors[index];
    tensors.push_back(name_in_head(tensor.name, head.first_block));
    if (!tensor.is_vector() && tensor.type != tensor_type::kF32 && becomes_f32(tensor.name, tensor.n_dims)) {
      as_stored.push_back(tensors.back());
    }
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
  if (!as_stored.empty()) {
    json["as_stored"] = std::move(as_stored);
  }
  if (!dequantized.empty()) {
    json["dequantized"] = dequantized;
  }
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
