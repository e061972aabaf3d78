#include "model/architectures.h"

#include <algorithm>
#include <array>

namespace mtpgraft {
namespace {

using Names = std::span<const std::string_view>;

template <std::size_t... Sizes>
constexpr auto join(const std::array<std::string_view, Sizes>&... lists) {
  std::array<std::string_view, (Sizes + ...)> all{};
  auto end = all.begin();
  ((end = std::copy(lists.begin(), lists.end(), end)), ...);
  return all;
}

template <std::size_t Size>
constexpr auto names(const char* const (&texts)[Size]) {  // NOLINT(modernize-avoid-c-arrays): what braces give
  std::array<std::string_view, Size> all{};
  std::copy(std::begin(texts), std::end(texts), all.begin());
  return all;
}

constexpr auto kFusion = names({"nextn.eh_proj.weight", "nextn.enorm.weight", "nextn.hnorm.weight"});
constexpr auto kSharedHead =
    names({"nextn.shared_head_norm.weight", "nextn.embed_tokens.weight", "nextn.shared_head_head.weight"});
constexpr auto kSharedHeadNorm = names({"nextn.shared_head_norm.weight"});

constexpr auto kAttentionNorm = names({"attn_norm.weight"});
constexpr auto kPostAttentionNorm = names({"post_attention_norm.weight"});
constexpr auto kFeedForwardNorm = names({"ffn_norm.weight"});
constexpr auto kPostFeedForwardNorm = names({"post_ffw_norm.weight"});
constexpr auto kOutputNorm = names({"layer_output_norm.weight"});

constexpr auto kAttention = names({"attn_q.weight|attn_qkv.weight", "attn_k.weight|attn_qkv.weight",
                                   "attn_v.weight|attn_qkv.weight", "attn_output.weight"});
constexpr auto kFusedAttention = names({"attn_qkv.weight", "attn_output.weight"});
constexpr auto kQueryKeyNorms = names({"attn_q_norm.weight", "attn_k_norm.weight"});
constexpr auto kAttentionBiases = names({"attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_qkv.bias"});
constexpr auto kAttentionGate = names({"attn_gate.weight"});
constexpr auto kSinks = names({"attn_sinks.weight"});
constexpr auto kLatentAttention =
    names({"attn_q_a.weight", "attn_q_a_norm.weight", "attn_q_b.weight", "attn_kv_a_mqa.weight",
           "attn_kv_a_norm.weight", "attn_k_b.weight", "attn_v_b.weight", "attn_output.weight"});
constexpr auto kIndexer = names({"indexer.k_norm.weight", "indexer.k_norm.bias", "indexer.proj.weight",
                                 "indexer.attn_k.weight", "indexer.attn_q_b.weight"});

constexpr auto kGate = names({"ffn_gate.weight"});
constexpr auto kUpDown = names({"ffn_up.weight", "ffn_down.weight"});
constexpr auto kDense = join(kGate, kUpDown);
constexpr auto kRouter = names({"ffn_gate_inp.weight"});
constexpr auto kRouterBias = names({"exp_probs_b.bias"});
constexpr auto kExperts = names({"ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight"});
constexpr auto kExpertsOrFused = names({"ffn_gate_exps.weight|ffn_gate_up_exps.weight",
                                        "ffn_up_exps.weight|ffn_gate_up_exps.weight", "ffn_down_exps.weight"});
constexpr auto kSharedExpert = names({"ffn_gate_shexp.weight", "ffn_up_shexp.weight", "ffn_down_shexp.weight"});
constexpr auto kSharedExpertGate = names({"ffn_gate_inp_shexp.weight"});

constexpr auto kQwenAttention = join(kAttentionNorm, kAttention, kQueryKeyNorms, kPostAttentionNorm);
constexpr auto kQwenExperts = join(kRouter, kExpertsOrFused, kSharedExpertGate, kSharedExpert);
constexpr auto kQwenDense = join(kQwenAttention, kDense, kFusion);
constexpr auto kQwenMoe = join(kQwenAttention, kQwenExperts, kFusion);

constexpr auto kGlm4Moe =
    join(kAttentionNorm, kAttention, kPostAttentionNorm, kRouter, kRouterBias, kExperts, kSharedExpert, kFusion);
constexpr auto kGlm4MoeOptional = join(kAttentionBiases, kQueryKeyNorms, kSharedHead);

constexpr auto kLatentBlock = join(kAttentionNorm, kLatentAttention, kFeedForwardNorm, kRouter, kSharedExpert, kFusion);
constexpr auto kDeepseek2 = join(kLatentBlock, kExpertsOrFused);
constexpr auto kDeepseek32 = join(kLatentBlock, kExperts, kIndexer);
constexpr auto kGlmDsa = join(kLatentBlock, kExperts);
constexpr auto kLatentOptional = join(kRouterBias, kSharedHead);
constexpr auto kGlmDsaOptional = join(kLatentOptional, kIndexer);

constexpr auto kDeepseek4 =
    join(names({"attn_norm.weight", "attn_sinks.weight", "attn_q_a.weight", "attn_q_a_norm.weight", "attn_q_b.weight",
                "attn_kv.weight", "attn_kv_a_norm.weight", "attn_output_a.weight", "attn_output_b.weight",
                "hc_attn_fn.weight", "hc_attn_base.weight", "hc_attn_scale.weight", "hc_ffn_fn.weight",
                "hc_ffn_base.weight", "hc_ffn_scale.weight"}),
         kFeedForwardNorm, kRouter, kRouterBias, kExperts, kSharedExpert, kFusion);
constexpr auto kDeepseek4Optional = join(kSharedHead, names({"exp_probs_b_vl.bias"}));

constexpr auto kMimo2 = join(kAttentionNorm, kFusedAttention, kFeedForwardNorm, kDense, kFusion);
constexpr auto kMimo2Optional = join(kSinks, kOutputNorm, kSharedHead);

constexpr auto kStep35 = join(kAttentionNorm, kAttention, kFeedForwardNorm, kUpDown, kFusion);
constexpr auto kStep35Optional = join(kQueryKeyNorms, kAttentionGate, kGate, kSharedHead);

constexpr auto kHyV3 = join(kAttentionNorm, kAttention, kQueryKeyNorms, kFeedForwardNorm,
                            names({"ffn_up_exps.weight|ffn_gate_up_exps.weight", "ffn_down_exps.weight"}), kFusion);
constexpr auto kHyV3Optional =
    join(kRouter, names({"exp_probs_b", "ffn_gate_exps.weight|ffn_gate_up_exps.weight"}), kSharedExpert, kSharedHead);

constexpr auto kCohere2Moe = join(kAttentionNorm, kAttention, kRouter, kExpertsOrFused, kFusion);

constexpr auto kNemotron =
    join(kAttentionNorm, kAttention, kPostAttentionNorm, kRouter, kRouterBias,
         names({"ffn_up_exps.weight", "ffn_down_exps.weight", "ffn_up_shexp.weight", "ffn_down_shexp.weight"}), kFusion,
         kSharedHeadNorm);
constexpr auto kNemotronOptional = names({"attn_output.bias"});

constexpr auto kBailing3 = join(kLatentBlock, kExperts, kRouterBias, kAttentionGate, kOutputNorm);
constexpr auto kBailing2 = join(kAttentionNorm, kFusedAttention, kQueryKeyNorms, kFeedForwardNorm, kRouter, kExperts,
                                kSharedExpert, kFusion, kOutputNorm);

constexpr auto kGlm4 =
    join(kAttentionNorm, kAttention, kPostAttentionNorm, kFeedForwardNorm, kUpDown, kPostFeedForwardNorm, kFusion);
constexpr auto kExaoneMoe = join(kAttentionNorm, kAttention, kQueryKeyNorms, kFeedForwardNorm, kDense, kFusion);
constexpr auto kExaone4 = join(kAttention, kQueryKeyNorms, kPostAttentionNorm, kDense, kPostFeedForwardNorm, kFusion);

constexpr auto kQwen4 =
    join(kAttention, kQueryKeyNorms, kQwenExperts, kFusion,
         names({"hc_attn_norm.weight", "hc_attn_down.weight", "hc_attn_up.weight", "hc_attn_inject.weight",
                "hc_ffn_norm.weight", "hc_ffn_down.weight", "hc_ffn_up.weight", "hc_ffn_inject.weight",
                "nextn.hc_head_norm.weight", "nextn.hc_head_down.weight", "nextn.hc_head_up.weight"}));
constexpr auto kQwen4Optional =
    names({"indexer.q_proj.weight", "indexer.k_proj.weight", "indexer.q_norm.weight", "indexer.k_norm.weight"});
constexpr auto kDots3Optional =
    join(kFusion, kRouterBias, names({"nextn.shared_head_norm.weight", "nextn.embed_tokens.weight"}));
constexpr auto kGlm5 = join(kFusion, kSharedHeadNorm);

constexpr auto kDeepseek4Root = names({"output_hc_fn.weight", "output_hc_base.weight", "output_hc_scale.weight"});
constexpr auto kQwen4Root =
    names({"output_hc_norm.weight", "output_hc_down.weight", "output_hc_up.weight", "per_layer_token_embd.weight"});

constexpr auto kCompressor = names({"attn_compressor", "indexer"});
constexpr auto kIndexerOnly = names({"indexer."});

using enum ArrayRule;

constexpr auto kCommonArrays = std::to_array<LayerArray>({
    {"attention.head_count"},
    {"attention.head_count_kv"},
    {"feed_forward_length"},
    {"expert_used_count"},
    {"expert_feed_forward_length"},
    {"attention.recurrent_layers", kExtend, ArrayFill::kZero},
    {"rope.dimension_sections", kNotPerLayer},
});
constexpr auto kSlidingWindow = std::to_array<LayerArray>({{"attention.sliding_window_pattern", kAnyLength}});
constexpr auto kTrunkWindow = std::to_array<LayerArray>({{"attention.sliding_window_pattern", kTrunkOnly}});
constexpr auto kTrunkIndexer = std::to_array<LayerArray>({{"attention.indexer.types", kTrunkOnly}});
constexpr auto kTrunkWindowAndIndexer = std::to_array<LayerArray>(
    {{"attention.sliding_window_pattern", kTrunkOnly}, {"attention.indexer.types", kTrunkOnly}});
constexpr auto kClamps = std::to_array<LayerArray>(
    {{"swiglu_clamp_exp", kExtend, ArrayFill::kZero}, {"swiglu_clamp_shexp", kExtend, ArrayFill::kZero}});
constexpr auto kWindowAndClamps = std::to_array<LayerArray>({{"attention.sliding_window_pattern", kAnyLength},
                                                             {"swiglu_clamp_exp", kExtend, ArrayFill::kZero},
                                                             {"swiglu_clamp_shexp", kExtend, ArrayFill::kZero}});
constexpr auto kDeepseek4Arrays = std::to_array<LayerArray>(
    {{"swiglu_clamp_exp"}, {"swiglu_clamp_shexp"}, {"attention.compress_ratios", kExtend, ArrayFill::kZero}});
constexpr auto kCompressRatios = std::to_array<LayerArray>({{"attention.compress_ratios", kExtend, ArrayFill::kZero}});

using enum MtpSupport;
constexpr auto kAborts = PlaceholderSupport::kAborts;
constexpr auto kLoads = PlaceholderSupport::kLoads;

constexpr auto kArchitectures = std::to_array<Architecture>({
    {.name = "qwen35",
     .models = "Qwen3.5, 3.6, 3.8 dense",
     .support = kDrafts,
     .required = kQwenDense,
     .optional = kSharedHead,
     .blocks_max = 1,
     .loads_sidecar = true,
     .norms_are_shifted = true,
     .note = "with a fused attn_qkv since v0.5.0; b10257 crashes",
     .run_in = "v0.5.0, b10257"},
    {.name = "qwen35moe",
     .models = "Qwen3.5, 3.6 MoE",
     .support = kDrafts,
     .required = kQwenMoe,
     .optional = kSharedHead,
     .blocks_max = 1,
     .loads_sidecar = true,
     .norms_are_shifted = true,
     .note = "with a fused attn_qkv since v0.5.0; b10257 crashes",
     .run_in = "v0.5.0, b10257"},
    {.name = "qwen3next",
     .models = "Qwen3-Next",
     .support = kDrafts,
     .required = kQwenMoe,
     .optional = kSharedHead,
     .blocks_max = 1,
     .loads_sidecar = true,
     .norms_are_shifted = true,
     .since = "v0.5.0",
     .note = "b10257 refuses to draft"},
    {.name = "glm4moe",
     .models = "GLM-4.5, 4.6, 4.7",
     .support = kDrafts,
     .required = kGlm4Moe,
     .optional = kGlm4MoeOptional,
     .blocks_max = 1,
     .placeholder = kAborts,
     .loads_sidecar = true,
     .since = "v0.5.0",
     .note = "b10257 still skips the head, and refuses placeholders and sidecars"},
    {.name = "deepseek2",
     .models = "GLM-4.7-Flash",
     .support = kDrafts,
     .required = kDeepseek2,
     .optional = kLatentOptional,
     .blocks_max = 1,
     .placeholder = kAborts,
     .loads_sidecar = true,
     .note = "models without q_lora_rank ('lite') load with a head and abort when they are asked to draft"},
    {.name = "deepseek32",
     .models = "DeepSeek-V3.2",
     .support = kDrafts,
     .required = kDeepseek32,
     .optional = kLatentOptional,
     .blocks_max = 1,
     .placeholder = kAborts,
     .loads_sidecar = true},
    {.name = "glm-dsa",
     .models = "GLM-5",
     .support = kDrafts,
     .required = kGlmDsa,
     .optional = kGlmDsaOptional,
     .trunk_only = kIndexerOnly,
     .arrays = kTrunkIndexer,
     .blocks_max = 1,
     .placeholder = kAborts,
     .loads_sidecar = true},
    {.name = "deepseek4",
     .models = "DeepSeek-V4",
     .support = kDrafts,
     .required = kDeepseek4,
     .optional = kDeepseek4Optional,
     .trunk_only = kCompressor,
     .root = kDeepseek4Root,
     .arrays = kDeepseek4Arrays,
     .blocks_max = 1,
     .loads_sidecar = true,
     .block_count_may_exclude_head = true,
     .note =
         "files without a head load if block_count does not count it; a sidecar's own output_hc_* has no place in a "
         "model's file"},
    {.name = "mimo2",
     .models = "MiMo-V2-Flash",
     .support = kDrafts,
     .required = kMimo2,
     .optional = kMimo2Optional,
     .arrays = kSlidingWindow,
     .placeholder = kAborts,
     .note = "the head's norm is layer_output_norm in the converter's files"},
    {.name = "step35",
     .models = "Step-3.5, 3.7",
     .support = kDrafts,
     .required = kStep35,
     .optional = kStep35Optional,
     .arrays = kWindowAndClamps,
     .placeholder = kAborts,
     .loads_sidecar = true,
     .norms_are_shifted = true},
    {.name = "hy_v3",
     .models = "Hunyuan Hy3",
     .support = kDrafts,
     .required = kHyV3,
     .optional = kHyV3Optional,
     .placeholder = kAborts,
     .loads_sidecar = true},
    {.name = "cohere2moe",
     .models = "North-Mini-Code, Command-A+",
     .support = kDrafts,
     .required = kCohere2Moe,
     .optional = kSharedHead,
     .arrays = kTrunkWindow,
     .blocks_max = 1,
     .placeholder = kAborts,
     .loads_sidecar = true},
    {.name = "nemotron_h_moe",
     .models = "Nemotron 3 Nano, Super, Ultra",
     .support = kDrafts,
     .required = kNemotron,
     .optional = kNemotronOptional,
     .blocks_max = 1,
     .loads_sidecar = true,
     .since = "v0.5.0",
     .note = "heads of Puzzle models do not load"},
    {.name = "bailingmoe3",
     .models = "Ling-3.0",
     .support = kDrafts,
     .required = kBailing3,
     .arrays = kClamps,
     .blocks_max = 1,
     .placeholder = kAborts,
     .loads_sidecar = true,
     .since = "v0.5.0",
     .note = "the head's norm is layer_output_norm"},
    {.name = "gemma4-assistant",
     .models = "Gemma-4 drafters",
     .support = kSeparateDrafter,
     .loads_sidecar = true,
     .note = "a drafter file of its own; not graftable",
     .run_in = {}},
    {.name = "glm4", .models = "GLM-4", .support = kSkips, .required = kGlm4, .optional = kSharedHead},
    {.name = "bailingmoe2",
     .models = "Ling 2.0, Ring 2.0",
     .support = kSkips,
     .required = kBailing2,
     .optional = kLatentOptional},
    {.name = "exaone-moe",
     .models = "K-EXAONE",
     .support = kSkips,
     .required = kExaoneMoe,
     .optional = kSharedHead,
     .arrays = kTrunkWindow},
    {.name = "exaone4",
     .models = "EXAONE 4",
     .support = kSkips,
     .required = kExaone4,
     .optional = kSharedHeadNorm,
     .arrays = kTrunkWindow},
    {.name = "dots3note",
     .models = "dots3 note",
     .support = kSkips,
     .optional = kDots3Optional,
     .trunk_only = kIndexerOnly,
     .arrays = kTrunkWindowAndIndexer,
     .placeholder = kAborts,
     .since = "v0.5.0",
     .note = "crashes when it is asked to draft"},
    {.name = "qwen4exp",
     .models = "Qwen3.8-Flash-Next",
     .support = kForksDraft,
     .required = kQwen4,
     .optional = kQwen4Optional,
     .root = kQwen4Root,
     .arrays = kCompressRatios,
     .blocks_max = 1,
     .placeholder = kLoads,
     .hnorm_covers_streams = true,
     .since = "v0.5.0",
     .note = "the forks of PR #28243 and #27836 draft, with the head in the model or beside it"},
    {.name = "glm5next",
     .models = "GLM-5.3-Flash",
     .support = kForksDraft,
     .required = kGlm5,
     .blocks_max = 1,
     .since = "v0.5.0",
     .note = "the forks of unsloth and ik_llama.cpp #2399 draft; v0.5.0 does not know the architecture",
     .run_in = {}},
});

}  // namespace

std::span<const Architecture> architectures() { return kArchitectures; }

std::span<const LayerArray> common_layer_arrays() { return kCommonArrays; }

Architecture find_architecture(std::string_view name) {
  const auto* found = std::ranges::find(kArchitectures, name, &Architecture::name);
  return found != kArchitectures.end() ? *found : Architecture{.name = name};
}

const LayerArray* find_layer_array(std::string_view architecture, std::string_view key) {
  const auto own = find_architecture(architecture).arrays;
  for (const auto arrays : {own, common_layer_arrays()}) {
    const auto found = std::ranges::find(arrays, key, &LayerArray::key);
    if (found != arrays.end()) {
      return &*found;
    }
  }
  return nullptr;
}

bool is_listed(Names names, std::string_view name) {
  return std::ranges::any_of(names, [&](std::string_view alternatives) {
    for (std::size_t from = 0; from <= alternatives.size();) {
      const auto to = std::min(alternatives.find('|', from), alternatives.size());
      if (alternatives.substr(from, to - from) == name) {
        return true;
      }
      from = to + 1;
    }
    return false;
  });
}

}  // namespace mtpgraft
