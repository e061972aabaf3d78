#include "donor/config_keys.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "donor/collected_keys.h"
#include "donor/config.h"
#include "gguf/serialize.h"
#include "model/architectures.h"

namespace mtpgraft {
namespace {

using ConfigJson = nlohmann::json;
using Names = std::initializer_list<std::string_view>;

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

std::optional<double> rope_theta(const ConfigJson& config) {
  const ConfigJson none = ConfigJson::object();
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

// What config.json says of a model of so many blocks.
struct Model {
  const ConfigJson& config;
  std::uint64_t trunk_blocks;
  std::uint64_t head_blocks;

  [[nodiscard]] std::uint64_t blocks() const { return trunk_blocks + head_blocks; }
  [[nodiscard]] std::optional<std::uint64_t> count(std::string_view name) const { return config_count(config, {name}); }
};

// Of each trunk block 1 if its kind is among `kinds`, else 0. `lists` name a list of kinds or a text of one letter for
// each. Nothing if there is none, or none of that length.
std::optional<std::vector<std::uint8_t>> blocks_of_kind(const Model& model, Names lists, Names kinds) {
  const auto* list = find_first(model.config, lists);
  const auto is_one = [&](std::string_view kind) { return std::ranges::find(kinds, kind) != kinds.end(); };
  std::vector<std::uint8_t> blocks;
  if (list != nullptr && list->is_string()) {
    for (const char kind : list->get<std::string>()) {
      blocks.push_back(is_one({&kind, 1}) ? 1 : 0);
    }
  } else if (list != nullptr && list->is_array()) {
    for (const auto& kind : *list) {
      blocks.push_back(kind.is_string() && is_one(kind.get<std::string>()) ? 1 : 0);
    }
  }
  return list != nullptr && blocks.size() == model.trunk_blocks ? std::optional(std::move(blocks)) : std::nullopt;
}

// `value` where a block is of the kind, `other` where not; for the head `of_head`.
template <class T>
std::vector<T> by_kind(const Model& model, const std::vector<std::uint8_t>& is_of_kind, T value, T other, T of_head) {
  std::vector<T> values(is_of_kind.size());
  std::ranges::transform(is_of_kind, values.begin(), [&](std::uint8_t is_one) { return is_one != 0 ? value : other; });
  values.resize(model.blocks(), of_head);
  return values;
}

void add_sliding_window(const Model& model, CollectedKeys& keys) {
  if (const auto slides = blocks_of_kind(model, {"layer_types"}, {"sliding_attention"})) {
    keys.add_array("attention.sliding_window_pattern", ValueType::kBool, *slides);
  }
}

// One limit for each block; 0, which is none, where the list says nothing.
void add_clamps(const Model& model, std::string_view key, std::string_view name, CollectedKeys& keys) {
  const auto* limits = find_first(model.config, {name});
  if (limits == nullptr || !limits->is_array()) {
    return;
  }
  std::vector<float> clamps(model.blocks());
  for (std::size_t block = 0; block < std::min(clamps.size(), limits->size()); ++block) {
    clamps[block] = limits->at(block).is_number() ? limits->at(block).get<float>() : 0;
  }
  keys.add_array(key, ValueType::kF32, clamps);
}

// One limit for all.
void add_equal_clamps(const Model& model, CollectedKeys& keys) {
  if (const auto limit = config_number(model.config, {"swiglu_limit"})) {
    const std::vector<float> clamps(model.blocks(), static_cast<float>(*limit));
    keys.add_array("swiglu_clamp_exp", ValueType::kF32, clamps);
    keys.add_array("swiglu_clamp_shexp", ValueType::kF32, clamps);
  }
}

void add_shared_experts(const Model& model, std::string_view width_name, std::uint64_t default_count,
                        CollectedKeys& keys) {
  const auto width = model.count(width_name);
  const auto count = model.count("num_shared_experts");
  keys.add_count("expert_shared_count", count);
  keys.add_count("expert_shared_feed_forward_length",
                 width ? std::optional(*width * count.value_or(default_count)) : std::nullopt);
}

// Latent attention is run as if all heads shared one key, which is the latent and the rotated part.
void add_latent_attention(const Model& model, CollectedKeys& keys) {
  const auto rank = model.count("kv_lora_rank");
  const auto rotated = model.count("qk_rope_head_dim");
  keys.add_count("attention.head_count_kv", 1);
  keys.add_count("attention.q_lora_rank", model.count("q_lora_rank"));
  keys.add_count("attention.kv_lora_rank", rank);
  keys.add_count("attention.key_length", sum(rank, rotated));
  keys.add_count("attention.value_length", rank);
  keys.add_count("attention.key_length_mla", sum(model.count("qk_nope_head_dim"), rotated));
  keys.add_count("attention.value_length_mla", model.count("v_head_dim"));
  keys.add_number("attention.layer_norm_rms_epsilon", config_number(model.config, {"rms_norm_eps"}).value_or(1e-6));
}

void add_mimo2(const Model& model, CollectedKeys& keys) {
  keys.add_count("attention.value_length", model.count("v_head_dim"));
  keys.add_number("attention.layer_norm_rms_epsilon",
                  config_number(model.config, {"layernorm_epsilon"}).value_or(1e-5));
  const auto full = model.count("num_key_value_heads");
  const auto sliding = model.count("swa_num_key_value_heads");
  const auto* pattern = find_first(model.config, {"hybrid_layer_pattern"});
  if (!full || !sliding || pattern == nullptr || !pattern->is_array() || pattern->size() != model.trunk_blocks) {
    return;
  }
  std::vector<std::int32_t> slides;
  std::vector<std::int32_t> key_value_heads;
  for (std::uint64_t block = 0; block < model.blocks(); ++block) {
    slides.push_back(block >= model.trunk_blocks || pattern->at(block) == 1 ? 1 : 0);
    key_value_heads.push_back(static_cast<std::int32_t>(slides.back() == 1 ? *sliding : *full));
  }
  keys.add_array("attention.head_count_kv", ValueType::kI32, key_value_heads);
  keys.add_array("attention.sliding_window_pattern", ValueType::kI32, slides);
}

void add_step35(const Model& model, CollectedKeys& keys) {
  const auto& config = model.config;
  keys.add_number("attention.layer_norm_rms_epsilon", config_number(config, {"rms_norm_eps"}).value_or(1e-5));
  const auto heads = model.count("num_attention_heads");
  const auto groups = model.count("num_attention_groups");
  if (!heads || !groups) {
    return;
  }
  const auto* other = find_first(config, {"attention_other_setting"});
  const ConfigJson sliding_setting = other != nullptr && other->is_object() ? *other : ConfigJson::object();
  const auto sliding_heads = config_count(sliding_setting, {"num_attention_heads"}).value_or(*heads);
  const auto sliding_groups = config_count(sliding_setting, {"num_attention_groups"}).value_or(*groups);
  const auto* types = find_first(config, {"layer_types"});
  std::vector<std::uint8_t> slides;
  std::vector<std::int32_t> head_counts;
  std::vector<std::int32_t> group_counts;
  for (std::uint64_t block = 0; block < model.blocks(); ++block) {
    const bool slides_here =
        types != nullptr && types->is_array() && block < types->size() && types->at(block) == "sliding_attention";
    slides.push_back(slides_here ? 1 : 0);
    head_counts.push_back(static_cast<std::int32_t>(slides_here ? sliding_heads : *heads));
    group_counts.push_back(static_cast<std::int32_t>(slides_here ? sliding_groups : *groups));
  }
  keys.add_array("attention.head_count", ValueType::kI32, head_counts);
  keys.add_array("attention.head_count_kv", ValueType::kI32, group_counts);
  keys.add_array("attention.sliding_window_pattern", ValueType::kBool, slides);
  add_clamps(model, "swiglu_clamp_exp", "swiglu_limits", keys);
  add_clamps(model, "swiglu_clamp_shexp", "swiglu_limits_shared", keys);
}

void add_hunyuan(const Model& model, CollectedKeys& keys) {
  const auto width = model.count("moe_intermediate_size");
  keys.add_count("expert_shared_feed_forward_length",
                 width ? std::optional(*width * model.count("num_shared_experts").value_or(1)) : std::nullopt);
}

void add_cohere(const Model& model, CollectedKeys& keys) {
  keys.add_count("expert_feed_forward_length", model.count("intermediate_size"));
  if (model.count("num_shared_experts").value_or(0) > 0) {
    add_shared_experts(model, "intermediate_size", 0, keys);
  }
  add_sliding_window(model, keys);
}

void add_nemotron(const Model& model, CollectedKeys& keys) {
  const auto width = config_count(model.config, {"head_dim", "attention_head_dim"});
  keys.add_count("attention.key_length", width);
  keys.add_count("attention.value_length", width);
  keys.add_count("expert_shared_feed_forward_length", model.count("moe_shared_expert_intermediate_size"));
  const Names kinds = {"hybrid_override_pattern", "layers_block_type"};
  const auto attends = blocks_of_kind(model, kinds, {"*", "attention", "full_attention"});
  const auto routes = blocks_of_kind(model, kinds, {"E", "moe"});
  const auto heads = static_cast<std::int32_t>(model.count("num_key_value_heads").value_or(0));
  const auto expert_width = static_cast<std::int32_t>(model.count("moe_intermediate_size").value_or(0));
  if (attends && routes && heads > 0 && expert_width > 0) {
    keys.add_array("attention.head_count_kv", ValueType::kI32, by_kind(model, *attends, heads, 0, heads));
    keys.add_array("feed_forward_length", ValueType::kI32, by_kind(model, *routes, expert_width, 0, expert_width));
  }
}

void add_ling3(const Model& model, CollectedKeys& keys) {
  add_latent_attention(model, keys);
  keys.add_count("attention.value_length", model.count("head_dim"));
  keys.add_count("expert_shared_count", model.count("num_shared_experts"));
  keys.add_count("expert_shared_feed_forward_length", model.count("moe_shared_expert_intermediate_size"));
  if (const auto group = model.count("layer_group_size").value_or(0); group > 0) {
    std::vector<std::int32_t> heads;
    for (std::uint64_t block = 0; block < model.blocks(); ++block) {
      // Groups end in a block with attention, and what is left after the last group has it too, as the head.
      heads.push_back((block + 1) % group == 0 || block >= model.trunk_blocks / group * group ? 1 : 0);
    }
    keys.add_array("attention.head_count_kv", ValueType::kI32, heads);
  }
  add_clamps(model, "swiglu_clamp_exp", "expert_swiglu_limit_list", keys);
  add_clamps(model, "swiglu_clamp_shexp", "share_expert_swiglu_limit_list", keys);
}

void add_ling2(const Model& model, CollectedKeys& keys) {
  add_shared_experts(model, "moe_intermediate_size", 0, keys);
  if (const auto width = model.count("moe_shared_expert_intermediate_size")) {
    keys.add_count("expert_shared_feed_forward_length", width);
  }
}

void add_deepseek4(const Model& model, CollectedKeys& keys) {
  keys.add_count("attention.q_lora_rank", model.count("q_lora_rank"));
  keys.add_count("hyper_connection.count", model.count("hc_mult"));
  add_equal_clamps(model, keys);
  const auto* ratios = find_first(model.config, {"compress_ratios"});
  if (ratios != nullptr && ratios->is_array() && ratios->size() <= kBlocksMax) {
    std::vector<std::int32_t> values;
    for (const auto& ratio : *ratios) {
      values.push_back(static_cast<std::int32_t>(as_count(ratio).value_or(0)));
    }
    keys.add_array("attention.compress_ratios", ValueType::kI32, values);
  }
}

void add_exaone_moe(const Model& model, CollectedKeys& keys) {
  add_shared_experts(model, "moe_intermediate_size", 0, keys);
  add_sliding_window(model, keys);
}

// The head is one of the blocks that slide, and these have a number of heads of their own.
void add_dots3(const Model& model, CollectedKeys& keys) {
  add_latent_attention(model, keys);
  const auto slides = blocks_of_kind(model, {"layer_types"}, {"sliding_attention"});
  const auto full = blocks_of_kind(model, {"layer_types"}, {"full_attention"});
  const auto heads = model.count("num_attention_heads");
  const auto sliding_heads = model.count("swa_num_attention_heads");
  if (slides && full && heads && sliding_heads) {
    const auto sliding = static_cast<std::int32_t>(*sliding_heads);
    keys.add_array("attention.head_count", ValueType::kI32,
                   by_kind(model, *slides, sliding, static_cast<std::int32_t>(*heads), sliding));
    keys.add_array("attention.sliding_window_pattern", ValueType::kBool, *slides);
    keys.add_array("attention.indexer.types", ValueType::kBool, *full);
  }
}

void add_qwen4(const Model& model, CollectedKeys& keys) {
  keys.add_count("hyper_connection.count", model.count("hc_count"));
  keys.add_count("attention.indexer.head_count", model.count("indexer_n_heads"));
  keys.add_count("attention.indexer.key_length", model.count("indexer_head_dim"));
  const auto attends = blocks_of_kind(model, {"layer_types"}, {"full_attention"});
  if (const auto ratio = model.count("indexer_compress_ratio"); attends && ratio) {
    keys.add_array("attention.compress_ratios", ValueType::kI32,
                   by_kind(model, *attends, static_cast<std::int32_t>(*ratio), 0, 0));
  }
}

void add_glm5next(const Model& model, CollectedKeys& keys) {
  add_latent_attention(model, keys);
  keys.add_count("hyper_connection.count", model.count("hc_mult"));
  const auto width = model.count("moe_intermediate_size");
  const auto shared = model.count("n_shared_experts");
  keys.add_count("expert_shared_feed_forward_length", width && shared ? std::optional(*width * *shared) : std::nullopt);
  add_equal_clamps(model, keys);
  if (const auto recurs = blocks_of_kind(model, {"layer_types"}, {"linear_attention"})) {
    keys.add_array("attention.head_count_kv", ValueType::kI32, by_kind(model, *recurs, 0, 1, 1));
  }
}

struct OwnKeys {
  std::string_view architecture;
  void (*add)(const Model&, CollectedKeys&);
};

constexpr auto kOwnKeys = std::to_array<OwnKeys>({
    {"deepseek2", add_latent_attention},
    {"deepseek32", add_latent_attention},
    {"glm-dsa", add_latent_attention},
    {"deepseek4", add_deepseek4},
    {"mimo2", add_mimo2},
    {"step35", add_step35},
    {"hy_v3", add_hunyuan},
    {"cohere2moe", add_cohere},
    {"nemotron_h_moe", add_nemotron},
    {"bailingmoe3", add_ling3},
    {"bailingmoe2", add_ling2},
    {"exaone-moe", add_exaone_moe},
    {"exaone4", add_sliding_window},
    {"dots3note", add_dots3},
    {"qwen4exp", add_qwen4},
    {"glm5next", add_glm5next},
});

}  // namespace

std::vector<Bytes> make_keys(const Family& family, const ConfigJson& config, std::uint64_t trunk_blocks,
                             std::uint64_t head_blocks) {
  CollectedKeys keys(family.architecture);
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
  const auto own = std::ranges::find(kOwnKeys, family.architecture, &OwnKeys::architecture);
  if (own != kOwnKeys.end()) {
    own->add({config, trunk_blocks, head_blocks}, keys);
  }
  return keys.take();
}

}  // namespace mtpgraft
