#include "donor/config.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "model/families.h"

namespace mtpgraft {
namespace {

using ConfigJson = nlohmann::json;
using Names = std::initializer_list<std::string_view>;

bool is_text(const ConfigJson& value, std::string_view text) { return value.is_string() && value == text; }

bool is_of_class(const ConfigJson& config, std::string_view name) {
  const auto* classes = find_first(config, {"architectures"});
  return classes != nullptr && classes->is_array() &&
         std::ranges::any_of(*classes, [&](const ConfigJson& value) { return is_text(value, name); });
}

bool is_of_type(const ConfigJson& config, std::string_view name) {
  const auto* type = find_first(config, {"model_type"});
  return type != nullptr && is_text(*type, name);
}

// The class tells more than the type, which unlike models can share.
template <class Row>
const Row* find_named(std::span<const Row> rows, const ConfigJson& config,
                      bool (*is_named)(const ConfigJson&, std::string_view)) {
  const auto found = std::ranges::find_if(rows, [&](const Row& row) {
    return std::ranges::any_of(row.config_names, [&](std::string_view name) { return is_named(config, name); });
  });
  return found != rows.end() ? &*found : nullptr;
}

std::uint64_t attention_head_width(const ConfigJson& config) {
  if (const auto width = config_count(config, {"head_dim", "attention_head_dim"})) {
    return *width;
  }
  const auto hidden = config_count(config, {"hidden_size"});
  const auto heads = config_count(config, {"num_attention_heads"}).value_or(0);
  return hidden && heads > 0 ? *hidden / heads : 0;
}

// Of each attention head's rows, those that several kinds of positions rotate.
std::uint64_t rotated_width(const ConfigJson& config, std::uint64_t head_width) {
  const auto* rope = find_first(config, {"rope_parameters", "rope_scaling"});
  if (rope == nullptr || !rope->is_object() || !rope->contains("mrope_section")) {
    return 0;
  }
  auto share = config_number(*rope, {"partial_rotary_factor"});
  if (!share) {
    share = config_number(config, {"partial_rotary_factor", "rope_pct", "rope_percent"});
  }
  return static_cast<std::uint64_t>(static_cast<double>(head_width) * std::clamp(share.value_or(0.5), 0.0, 1.0));
}

// sqrt(hidden size / rank), where config.json says that norms are to be multiplied by it.
float rank_factor(const ConfigJson& config, std::string_view rank_name) {
  const auto hidden = config_number(config, {"hidden_size"}).value_or(0);
  const auto rank = config_number(config, {rank_name}).value_or(0);
  return config_flag(config, "apply_mla_qkv_lora_rescale") && rank > 0 ? static_cast<float>(std::sqrt(hidden / rank))
                                                                       : 1;
}

}  // namespace

const ConfigJson* find_first(const ConfigJson& config, Names names) {
  for (const auto name : names) {
    const auto found = config.find(name);
    if (found != config.end()) {
      return &*found;
    }
  }
  return nullptr;
}

std::optional<std::uint64_t> as_count(const ConfigJson& value) {
  const bool is_count = value.is_number_unsigned() && value.get<std::uint64_t>() <= UINT32_MAX;
  return is_count ? std::optional(value.get<std::uint64_t>()) : std::nullopt;
}

std::optional<std::uint64_t> config_count(const ConfigJson& config, Names names) {
  const auto* value = find_first(config, names);
  return value != nullptr ? as_count(*value) : std::nullopt;
}

std::optional<double> config_number(const ConfigJson& config, Names names) {
  const auto* value = find_first(config, names);
  return value != nullptr && value->is_number() ? std::optional(value->get<double>()) : std::nullopt;
}

bool config_flag(const ConfigJson& config, std::string_view name) {
  const auto* value = find_first(config, {name});
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

std::optional<std::uint64_t> count_trunk_layers(const ConfigJson& config) {
  const auto* kinds = find_first(config, {"layers_block_type"});
  return kinds != nullptr && kinds->is_array()
             ? std::optional<std::uint64_t>(kinds->size())
             : config_count(config, {"n_layers", "num_hidden_layers", "n_layer", "num_layers"});
}

HeadConfig read_head_config(const Family& family, const ConfigJson& config) {
  const auto count = [&](std::string_view name) { return config_count(config, {name}).value_or(0); };
  HeadConfig head{.attention_heads = count("num_attention_heads"),
                  .latent_heads = count(family.latent.heads),
                  .sliding_key_value_heads = count("swa_num_key_value_heads"),
                  .head_width = attention_head_width(config),
                  .unrotated_key_width = count(family.latent.unrotated_width),
                  .value_width = count(family.latent.value_width),
                  .indexer_query_rows = count("indexer_n_heads") * count("indexer_head_dim"),
                  .query_rank_factor = rank_factor(config, "q_lora_rank"),
                  .latent_rank_factor = rank_factor(config, "swa_kv_lora_rank")};
  head.rotated_width = rotated_width(config, head.head_width);
  return head;
}

const Family* find_family(const ConfigJson& config) {
  const auto* by_class = find_named(families(), config, is_of_class);
  return by_class != nullptr ? by_class : find_named(families(), config, is_of_type);
}

const UnreadableFamily* find_unreadable_family(const ConfigJson& config) {
  if (const auto* by_class = find_named(unreadable_families(), config, is_of_class)) {
    return by_class;
  }
  return find_family(config) == nullptr ? find_named(unreadable_families(), config, is_of_type) : nullptr;
}

std::string class_or_type(const ConfigJson& config) {
  const auto* classes = find_first(config, {"architectures"});
  const bool has_class = classes != nullptr && classes->is_array() && !classes->empty() && classes->front().is_string();
  const auto* type = has_class ? &classes->front() : find_first(config, {"model_type"});
  return type != nullptr && type->is_string() ? type->get<std::string>() : "";
}

}  // namespace mtpgraft
