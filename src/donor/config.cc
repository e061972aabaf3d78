#include "donor/config.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace mtpgraft {
namespace {

using Json = nlohmann::json;
using Names = std::initializer_list<std::string_view>;

// Null if the config has none of them.
const Json* find_first(const Json& config, Names names) {
  for (const auto name : names) {
    const auto found = config.find(name);
    if (found != config.end()) {
      return &*found;
    }
  }
  return nullptr;
}

// A number that a u32 holds.
std::optional<std::uint64_t> as_count(const Json& value) {
  const bool is_count = value.is_number_unsigned() && value.get<std::uint64_t>() <= UINT32_MAX;
  return is_count ? std::optional(value.get<std::uint64_t>()) : std::nullopt;
}

std::optional<double> config_number(const Json& config, Names names) {
  const auto* value = find_first(config, names);
  return value != nullptr && value->is_number() ? std::optional(value->get<double>()) : std::nullopt;
}

struct CountKey {
  std::string_view key;                   // after "{arch}."
  std::array<std::string_view, 4> names;  // of config.json; the first that it has counts
};

constexpr auto kCountKeys = std::to_array<CountKey>({
    {"embedding_length", {"hidden_size"}},
    {"feed_forward_length", {"prefix_dense_intermediate_size", "dense_intermediate_size", "intermediate_size"}},
    {"attention.head_count", {"num_attention_heads"}},
    {"attention.head_count_kv", {"num_key_value_heads"}},
    {"attention.key_length", {"head_dim"}},
    {"attention.value_length", {"head_dim"}},
    {"expert_count", {"num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"}},
    {"expert_feed_forward_length", {"moe_intermediate_size"}},
    {"expert_shared_feed_forward_length", {"shared_expert_intermediate_size", "share_expert_dim"}},
    {"expert_shared_count", {"n_shared_experts"}},
});

// Collects keys; a later value takes the place of an earlier one.
class Keys {
 public:
  explicit Keys(std::string_view architecture) : architecture_(architecture) {}

  void add_count(std::string_view key, std::optional<std::uint64_t> value) {
    if (value && *value <= UINT32_MAX) {
      put(key, serialize_key(full(key), u32_value(static_cast<std::uint32_t>(*value))));
    }
  }
  void add_number(std::string_view key, std::optional<double> value) {
    if (value) {
      put(key, serialize_key(full(key), f32_value(static_cast<float>(*value))));
    }
  }
  template <class T>
  void add_array(std::string_view key, ValueType type, const std::vector<T>& values) {
    GgufValue array{ValueType::kArray, type, values.size(), {}};
    for (const auto value : values) {
      append_value(array.bytes, value);
    }
    put(key, serialize_key(full(key), array));
  }

  std::vector<Bytes> take() {
    std::vector<Bytes> records;
    for (auto& [key, record] : records_) {
      records.push_back(std::move(record));
    }
    return records;
  }

 private:
  [[nodiscard]] std::string full(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }
  void put(std::string_view key, Bytes record) {
    const auto found = std::ranges::find(records_, key, &decltype(records_)::value_type::first);
    if (found != records_.end()) {
      found->second = std::move(record);
    } else {
      records_.emplace_back(key, std::move(record));
    }
  }

  std::string_view architecture_;
  std::vector<std::pair<std::string, Bytes>> records_;
};

std::optional<double> rope_theta(const Json& config) {
  const Json none = Json::object();
  const auto* rope = find_first(config, {"rope_parameters", "rope_scaling"});
  rope = rope != nullptr && rope->is_object() ? rope : &none;
  const auto full_attention = rope->find("full_attention");
  if (full_attention != rope->end() && full_attention->is_object()) {
    rope = &*full_attention;
  }
  const auto* theta = find_first(*rope, {"rope_theta"});
  if (theta == nullptr) {
    theta = find_first(
        config, {"global_rope_theta", "rope_global_theta", "rope_theta_global", "rope_theta", "rotary_emb_base"});
  }
  if (theta != nullptr && theta->is_array() && !theta->empty()) {
    theta = &theta->front();  // of layers with full attention
  }
  return theta != nullptr && theta->is_number() ? std::optional(theta->get<double>()) : std::nullopt;
}

std::optional<std::uint64_t> sum(std::optional<std::uint64_t> a, std::optional<std::uint64_t> b) {
  return a && b ? std::optional(*a + *b) : std::nullopt;
}

// Latent attention is run as if all heads shared one key, which is the latent and the rotated part.
void add_latent_attention(const Json& config, Keys& keys) {
  const auto rank = config_count(config, {"kv_lora_rank"});
  const auto rotated = config_count(config, {"qk_rope_head_dim"});
  keys.add_count("attention.head_count_kv", 1);
  keys.add_count("attention.q_lora_rank", config_count(config, {"q_lora_rank"}));
  keys.add_count("attention.kv_lora_rank", rank);
  keys.add_count("attention.key_length", sum(rank, rotated));
  keys.add_count("attention.value_length", rank);
  keys.add_count("attention.key_length_mla", sum(config_count(config, {"qk_nope_head_dim"}), rotated));
  keys.add_count("attention.value_length_mla", config_count(config, {"v_head_dim"}));
  keys.add_number("attention.layer_norm_rms_epsilon", config_number(config, {"rms_norm_eps"}).value_or(1e-6));
}

void add_mimo2(const Json& config, std::uint64_t trunk_blocks, std::uint64_t head_blocks, Keys& keys) {
  keys.add_count("attention.value_length", config_count(config, {"v_head_dim"}));
  keys.add_number("attention.layer_norm_rms_epsilon", config_number(config, {"layernorm_epsilon"}).value_or(1e-5));
  const auto full = config_count(config, {"num_key_value_heads"});
  const auto sliding = config_count(config, {"swa_num_key_value_heads"});
  const auto* pattern = find_first(config, {"hybrid_layer_pattern"});
  if (!full || !sliding || pattern == nullptr || !pattern->is_array() || pattern->size() != trunk_blocks) {
    return;
  }
  std::vector<std::int32_t> slides;
  std::vector<std::int32_t> key_value_heads;
  for (std::uint64_t block = 0; block < trunk_blocks + head_blocks; ++block) {
    slides.push_back(block >= trunk_blocks || pattern->at(block) == 1 ? 1 : 0);
    key_value_heads.push_back(static_cast<std::int32_t>(slides.back() == 1 ? *sliding : *full));
  }
  keys.add_array("attention.head_count_kv", ValueType::kI32, key_value_heads);
  keys.add_array("attention.sliding_window_pattern", ValueType::kI32, slides);
}

void add_step35(const Json& config, std::uint64_t blocks, Keys& keys) {
  keys.add_number("attention.layer_norm_rms_epsilon", config_number(config, {"rms_norm_eps"}).value_or(1e-5));
  const auto heads = config_count(config, {"num_attention_heads"});
  const auto groups = config_count(config, {"num_attention_groups"});
  if (!heads || !groups) {
    return;
  }
  const auto* other = find_first(config, {"attention_other_setting"});
  const Json sliding_setting = other != nullptr && other->is_object() ? *other : Json::object();
  const auto sliding_heads = config_count(sliding_setting, {"num_attention_heads"}).value_or(*heads);
  const auto sliding_groups = config_count(sliding_setting, {"num_attention_groups"}).value_or(*groups);
  const auto* types = find_first(config, {"layer_types"});
  std::vector<std::uint8_t> slides;
  std::vector<std::int32_t> head_counts;
  std::vector<std::int32_t> group_counts;
  for (std::uint64_t block = 0; block < blocks; ++block) {
    const bool slides_here =
        types != nullptr && types->is_array() && block < types->size() && types->at(block) == "sliding_attention";
    slides.push_back(slides_here ? 1 : 0);
    head_counts.push_back(static_cast<std::int32_t>(slides_here ? sliding_heads : *heads));
    group_counts.push_back(static_cast<std::int32_t>(slides_here ? sliding_groups : *groups));
  }
  keys.add_array("attention.head_count", ValueType::kI32, head_counts);
  keys.add_array("attention.head_count_kv", ValueType::kI32, group_counts);
  keys.add_array("attention.sliding_window_pattern", ValueType::kBool, slides);
  for (const auto& [key, name] :
       {std::pair("swiglu_clamp_exp", "swiglu_limits"), std::pair("swiglu_clamp_shexp", "swiglu_limits_shared")}) {
    const auto* limits = find_first(config, {name});
    if (limits == nullptr || !limits->is_array()) {
      continue;
    }
    std::vector<float> clamps(blocks);
    for (std::size_t block = 0; block < std::min<std::size_t>(blocks, limits->size()); ++block) {
      clamps[block] = limits->at(block).is_number() ? limits->at(block).get<float>() : 0;
    }
    keys.add_array(key, ValueType::kF32, clamps);
  }
}

bool names(const Json& value, std::string_view name) { return value.is_string() && value == name; }

}  // namespace

std::optional<std::uint64_t> config_count(const Json& config, Names names) {
  const auto* value = find_first(config, names);
  return value != nullptr ? as_count(*value) : std::nullopt;
}

HeadConfig read_head_config(const Json& config) {
  const auto count = [&](std::string_view name) { return config_count(config, {name}).value_or(0); };
  HeadConfig head{.attention_heads = count("num_attention_heads"),
                  .key_value_heads = count("num_key_value_heads"),
                  .sliding_key_value_heads = count("swa_num_key_value_heads"),
                  .head_width = count("head_dim"),
                  .unrotated_key_width = count("qk_nope_head_dim"),
                  .value_width = count("v_head_dim")};
  const auto* quantization = find_first(config, {"quantization_config"});
  const auto* sides = quantization != nullptr ? find_first(*quantization, {"weight_block_size"}) : nullptr;
  if (sides != nullptr && sides->is_array() && sides->size() == 2 && as_count(sides->at(0)).value_or(0) > 0 &&
      as_count(sides->at(1)).value_or(0) > 0) {
    head.scaled_rows = *as_count(sides->at(0));
    head.scaled_columns = *as_count(sides->at(1));
  }
  return head;
}

const Family* find_family(const Json& config) {
  const auto* architectures = find_first(config, {"architectures"});
  const auto* model_type = find_first(config, {"model_type"});
  const auto is_named = [&](std::string_view name) {
    return (architectures != nullptr && architectures->is_array() &&
            std::ranges::any_of(*architectures, [&](const Json& value) { return names(value, name); })) ||
           (model_type != nullptr && names(*model_type, name));
  };
  const auto found = std::ranges::find_if(
      families(), [&](const Family& family) { return std::ranges::any_of(family.config_names, is_named); });
  return found != families().end() ? &*found : nullptr;
}

std::vector<Bytes> make_keys(const Family& family, const Json& config, std::uint64_t trunk_blocks,
                             std::uint64_t head_blocks) {
  Keys keys(family.architecture);
  keys.add_count("block_count", trunk_blocks + head_blocks);
  keys.add_count("nextn_predict_layers", head_blocks);
  for (const auto& item : kCountKeys) {
    const auto* name = std::ranges::find_if(item.names, [&](std::string_view key) { return config.contains(key); });
    if (name != item.names.end()) {
      keys.add_count(item.key, config_count(config, {*name}));
    }
  }
  keys.add_number("rope.freq_base", rope_theta(config));
  keys.add_number("attention.layer_norm_rms_epsilon", config_number(config, {"rms_norm_eps", "norm_eps"}));
  if (family.has_latent_attention) {
    add_latent_attention(config, keys);
  }
  if (family.architecture == "mimo2") {
    add_mimo2(config, trunk_blocks, head_blocks, keys);
  }
  if (family.architecture == "step35") {
    add_step35(config, trunk_blocks + head_blocks, keys);
  }
  if (family.architecture == "hy_v3") {
    const auto width = config_count(config, {"moe_intermediate_size"});
    const auto shared = config_count(config, {"num_shared_experts"}).value_or(1);
    keys.add_count("expert_shared_feed_forward_length", width ? std::optional(*width * shared) : std::nullopt);
  }
  return keys.take();
}

}  // namespace mtpgraft
