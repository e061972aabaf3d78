#include "model/architectures.h"

#include <algorithm>

namespace mtpgraft {
namespace {

using enum MtpSupport;

constexpr std::string_view kEhProj = "nextn.eh_proj.weight";
constexpr std::string_view kEnorm = "nextn.enorm.weight";
constexpr std::string_view kHnorm = "nextn.hnorm.weight";

constexpr auto kFusionOnly = std::to_array<std::string_view>({kEhProj, kEnorm, kHnorm});

constexpr auto kQwenDense =
    std::to_array<std::string_view>({"attn_norm.weight", "post_attention_norm.weight", "attn_q.weight", "attn_k.weight",
                                     "attn_v.weight", "attn_output.weight", "attn_q_norm.weight", "attn_k_norm.weight",
                                     "ffn_gate.weight", "ffn_up.weight", "ffn_down.weight", kEhProj, kEnorm, kHnorm});

constexpr auto kQwenMoe = std::to_array<std::string_view>(
    {"attn_norm.weight", "post_attention_norm.weight", "attn_q.weight", "attn_k.weight", "attn_v.weight",
     "attn_output.weight", "attn_q_norm.weight", "attn_k_norm.weight", "ffn_gate_inp.weight",
     "ffn_gate_exps.weight|ffn_gate_up_exps.weight", "ffn_up_exps.weight|ffn_gate_up_exps.weight",
     "ffn_down_exps.weight", "ffn_gate_inp_shexp.weight", "ffn_gate_shexp.weight", "ffn_up_shexp.weight",
     "ffn_down_shexp.weight", kEhProj, kEnorm, kHnorm});

constexpr auto kGlm4Moe = std::to_array<std::string_view>(
    {"attn_norm.weight", "post_attention_norm.weight", "attn_q.weight|attn_qkv.weight", "attn_k.weight|attn_qkv.weight",
     "attn_v.weight|attn_qkv.weight", "attn_output.weight", "ffn_gate_inp.weight", "exp_probs_b.bias",
     "ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight", kEhProj, kEnorm, kHnorm});

constexpr auto kLatentAttention =
    std::to_array<std::string_view>({"attn_norm.weight", "attn_kv_a_mqa.weight", "attn_kv_a_norm.weight",
                                     "attn_output.weight", "ffn_norm.weight", kEhProj, kEnorm, kHnorm});

constexpr auto kMimo2 =
    std::to_array<std::string_view>({"attn_norm.weight", "attn_qkv.weight", "attn_output.weight", "ffn_norm.weight",
                                     "ffn_gate.weight", "ffn_up.weight", "ffn_down.weight", kEhProj, kEnorm, kHnorm});

constexpr auto kPlainAttention = std::to_array<std::string_view>(
    {"attn_norm.weight", "attn_q.weight|attn_qkv.weight", "attn_k.weight|attn_qkv.weight",
     "attn_v.weight|attn_qkv.weight", "attn_output.weight", kEhProj, kEnorm, kHnorm});

constexpr auto kArchitectures = std::to_array<Architecture>({
    {.name = "qwen35",
     .support = kDrafts,
     .required = kQwenDense,
     .blocks_max = 1,
     .loads_sidecar = true,
     .norms_are_shifted = true,
     .query_has_gate = true,
     .forbids_fused_qkv = true},
    {.name = "qwen35moe",
     .support = kDrafts,
     .required = kQwenMoe,
     .blocks_max = 1,
     .loads_sidecar = true,
     .norms_are_shifted = true,
     .query_has_gate = true,
     .forbids_fused_qkv = true},
    {.name = "qwen3next",
     .support = kDrafts,
     .required = kQwenMoe,
     .blocks_max = 1,
     .loads_sidecar = true,
     .norms_are_shifted = true,
     .query_has_gate = true,
     .forbids_fused_qkv = true},
    {.name = "glm4moe",
     .support = kDrafts,
     .required = kGlm4Moe,
     .blocks_max = 1,
     .note = "drafts only in builds after b10256 (llama.cpp #26534); older ones skip the head"},
    {.name = "deepseek2",
     .support = kDrafts,
     .required = kLatentAttention,
     .blocks_max = 1,
     .loads_placeholder = true,
     .loads_sidecar = true,
     .attention_shapes_known = false},
    {.name = "deepseek32",
     .support = kDrafts,
     .required = kLatentAttention,
     .blocks_max = 1,
     .loads_placeholder = true,
     .loads_sidecar = true,
     .attention_shapes_known = false},
    {.name = "glm-dsa",
     .support = kDrafts,
     .required = kLatentAttention,
     .blocks_max = 1,
     .loads_placeholder = true,
     .loads_sidecar = true,
     .attention_shapes_known = false},
    {.name = "deepseek4",
     .support = kDrafts,
     .required = kFusionOnly,
     .blocks_max = 1,
     .loads_placeholder = true,
     .loads_sidecar = true,
     .attention_shapes_known = false,
     .block_count_may_exclude_head = true},
    {.name = "mimo2",
     .support = kDrafts,
     .required = kMimo2,
     .loads_placeholder = true,
     .attention_shapes_known = false},
    {.name = "step35",
     .support = kDrafts,
     .required = kPlainAttention,
     .loads_placeholder = true,
     .loads_sidecar = true,
     .norms_are_shifted = true,
     .attention_shapes_known = false},
    {.name = "hy_v3",
     .support = kDrafts,
     .required = kPlainAttention,
     .loads_placeholder = true,
     .loads_sidecar = true},
    {.name = "cohere2moe",
     .support = kDrafts,
     .required = kPlainAttention,
     .blocks_max = 1,
     .loads_placeholder = true,
     .loads_sidecar = true},
    {.name = "gemma4-assistant", .support = kSeparateDrafter},
    {.name = "glm4", .support = kSkips, .required = kFusionOnly},
    {.name = "bailingmoe2", .support = kSkips, .required = kFusionOnly},
    {.name = "exaone-moe", .support = kSkips, .required = kFusionOnly},
    {.name = "exaone4", .support = kSkips, .required = kFusionOnly},
});

using enum ArrayRule;

constexpr auto kLayerArrays = std::to_array<LayerArray>({
    {"attention.head_count", "", kExtend},
    {"attention.head_count_kv", "", kExtend},
    {"feed_forward_length", "", kExtend},
    {"expert_used_count", "", kExtend},
    {"expert_feed_forward_length", "", kExtend},
    {"attention.recurrent_layers", "", kExtend, ArrayFill::kZero},
    {"attention.sliding_window_pattern", "mimo2", kExtend, ArrayFill::kOne},
    {"attention.sliding_window_pattern", "step35", kExtend, ArrayFill::kZero},
    {"attention.sliding_window_pattern", "cohere2moe", kTrunkOnly},
    {"attention.sliding_window_pattern", "exaone4", kTrunkOnly},
    {"attention.sliding_window_pattern", "exaone-moe", kTrunkOnly},
    {"swiglu_clamp_exp", "step35", kExtend, ArrayFill::kZero},
    {"swiglu_clamp_shexp", "step35", kExtend, ArrayFill::kZero},
    {"swiglu_clamp_exp", "deepseek4", kExtend},
    {"swiglu_clamp_shexp", "deepseek4", kExtend},
    {"attention.compress_ratios", "deepseek4", kExtend, ArrayFill::kZero},
    {"attention.indexer.types", "glm-dsa", kTrunkOnly},
    {"rope.dimension_sections", "", kNotPerLayer},
});

using enum Extent;

constexpr auto kShapes = std::to_array<HeadTensorShape>({
    {kEhProj, {kEmbedding2, kEmbedding}},
    {kEnorm, {kEmbedding}},
    {kHnorm, {kEmbedding}},
    {"nextn.shared_head_norm.weight", {kEmbedding}},
    {"nextn.embed_tokens.weight", {kEmbedding, kVocabulary}},
    {"nextn.shared_head_head.weight", {kEmbedding, kVocabulary}},
    {"attn_norm.weight", {kEmbedding}},
    {"post_attention_norm.weight", {kEmbedding}},
    {"ffn_norm.weight", {kEmbedding}},
    {"attn_q.weight", {kEmbedding, kQuery}},
    {"attn_k.weight", {kEmbedding, kKey}},
    {"attn_v.weight", {kEmbedding, kValue}},
    {"attn_output.weight", {kQuery, kEmbedding}},
    {"attn_q_norm.weight", {kHead}},
    {"attn_k_norm.weight", {kHead}},
    {"ffn_gate.weight", {kEmbedding, kFeedForward}},
    {"ffn_up.weight", {kEmbedding, kFeedForward}},
    {"ffn_down.weight", {kFeedForward, kEmbedding}},
    {"ffn_gate_inp.weight", {kEmbedding, kExperts}},
    {"ffn_gate_exps.weight", {kEmbedding, kExpertForward, kExperts}},
    {"ffn_up_exps.weight", {kEmbedding, kExpertForward, kExperts}},
    {"ffn_gate_up_exps.weight", {kEmbedding, kExpertForward2, kExperts}},
    {"ffn_down_exps.weight", {kExpertForward, kEmbedding, kExperts}},
    {"ffn_gate_inp_shexp.weight", {kEmbedding}},
    {"ffn_gate_shexp.weight", {kEmbedding, kSharedForward}},
    {"ffn_up_shexp.weight", {kEmbedding, kSharedForward}},
    {"ffn_down_shexp.weight", {kSharedForward, kEmbedding}},
});

}  // namespace

Architecture find_architecture(std::string_view name) {
  const auto* found = std::ranges::find(kArchitectures, name, &Architecture::name);
  if (found != kArchitectures.end()) {
    return *found;
  }
  return {.name = name, .required = kFusionOnly, .attention_shapes_known = false};
}

const LayerArray* find_layer_array(std::string_view architecture, std::string_view key) {
  const auto* found = std::ranges::find_if(kLayerArrays, [&](const LayerArray& array) {
    return array.key == key && (array.architecture.empty() || array.architecture == architecture);
  });
  return found != kLayerArrays.end() ? found : nullptr;
}

std::span<const HeadTensorShape> head_tensor_shapes() { return kShapes; }

}  // namespace mtpgraft
