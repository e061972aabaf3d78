#include "model/architectures.h"

#include <algorithm>
#include <array>

#include "model/head_tensor_names.h"

namespace mtpgraft {
namespace {

using namespace head_tensors;

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
     .needs_query_rank = true,
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
     .own_root = kDeepseek4Root,
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
     .slim_sidecar_readers = "unsloth's fork",
     .norms_are_shifted = true,
     .has_output_norm = false,
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

std::array<std::string_view, 2> sidecar_tensors(const Architecture& architecture) {
  return {"token_embd.weight", architecture.has_output_norm ? "output_norm.weight" : "output.weight"};
}

std::span<const std::string_view> own_root_tensors(std::string_view architecture, HeadState state) {
  return state == HeadState::kSidecar || state == HeadState::kTensorsOnly ? find_architecture(architecture).own_root
                                                                          : std::span<const std::string_view>();
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

bool is_listed(std::span<const std::string_view> names, std::string_view name) {
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
