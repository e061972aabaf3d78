#include "model/families.h"

namespace mtpgraft {
namespace {

using enum Transform;

constexpr auto kQwenFusion = std::to_array<TensorRule>({
    {"mtp.fc", "nextn.eh_proj"},
    {"mtp.pre_fc_norm_embedding", "nextn.enorm"},
    {"mtp.pre_fc_norm_hidden", "nextn.hnorm"},
    {"mtp.norm", "nextn.shared_head_norm"},
});

constexpr auto kFusion = std::to_array<TensorRule>({
    {"eh_proj", "nextn.eh_proj"},
    {"enorm", "nextn.enorm"},
    {"hnorm", "nextn.hnorm"},
    {"embed_tokens", "nextn.embed_tokens"},
    {"shared_head.norm", "nextn.shared_head_norm"},
    {"shared_head.head", "nextn.shared_head_head"},
});

constexpr auto kAttention = std::to_array<TensorRule>({
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
});

constexpr auto kLatentAttention = std::to_array<TensorRule>({
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.q_a_proj", "attn_q_a"},
    {"self_attn.q_a_layernorm", "attn_q_a_norm"},
    {"self_attn.q_b_proj", "attn_q_b"},
    {"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"},
    {"self_attn.kv_a_layernorm", "attn_kv_a_norm"},
    {"self_attn.kv_b_proj.weight", "attn_k_b.weight", kSplitKeyValue},
    {"self_attn.o_proj", "attn_output"},
});

constexpr auto kIndexer = std::to_array<TensorRule>({
    {"self_attn.indexer.wq_b", "indexer.attn_q_b"},
    {"self_attn.indexer.wk", "indexer.attn_k"},
    {"self_attn.indexer.k_norm", "indexer.k_norm"},
    {"self_attn.indexer.weights_proj", "indexer.proj"},
});

constexpr auto kPostAttentionNorm = std::to_array<TensorRule>({{"post_attention_layernorm", "post_attention_norm"}});
constexpr auto kFeedForwardNorm = std::to_array<TensorRule>({{"post_attention_layernorm", "ffn_norm"}});

constexpr auto kDense = std::to_array<TensorRule>({
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
});

constexpr auto kExperts = std::to_array<TensorRule>({
    {"mlp.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.experts.*.gate_proj.weight", "ffn_gate_exps.weight", kStackExperts},
    {"mlp.experts.*.up_proj.weight", "ffn_up_exps.weight", kStackExperts},
    {"mlp.experts.*.down_proj.weight", "ffn_down_exps.weight", kStackExperts},
    {"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_experts.up_proj", "ffn_up_shexp"},
    {"mlp.shared_experts.down_proj", "ffn_down_shexp"},
});

constexpr auto kQwenExperts = std::to_array<TensorRule>({
    {"mlp.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.experts.*.gate_proj.weight", "ffn_gate_exps.weight", kStackExperts},
    {"mlp.experts.*.up_proj.weight", "ffn_up_exps.weight", kStackExperts},
    {"mlp.experts.*.down_proj.weight", "ffn_down_exps.weight", kStackExperts},
    {"mlp.experts.gate_up_proj", "ffn_gate_exps.weight", kSplitGateUp},
    {"mlp.experts.down_proj", "ffn_down_exps.weight"},
    {"mlp.shared_expert_gate.weight", "ffn_gate_inp_shexp.weight", kSqueeze},
    {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
    {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
});

// llama.cpp's graph of the head wants queries, keys and values in one matrix, however the checkpoint has them.
constexpr auto kMimo = std::to_array<TensorRule>({
    {"self_attn.q_proj.weight", "attn_qkv.weight", kJoinRows, 0},
    {"self_attn.k_proj.weight", "attn_qkv.weight", kJoinRows, 1},
    {"self_attn.v_proj.weight", "attn_qkv.weight", kJoinRows, 2},
    {"pre_mlp_layernorm", "ffn_norm"},
    {"final_layernorm", "layer_output_norm"},
    {"self_attn.qkv_proj.weight", "attn_qkv.weight", kFuseQkv},
    {"self_attn.attention_sink_bias", "attn_sinks.weight"},
});

constexpr auto kStep = std::to_array<TensorRule>({
    {"transformer.shared_head.norm", "nextn.shared_head_norm"},
    {"transformer.shared_head.output", "nextn.shared_head_head"},
    {"self_attn.g_proj", "attn_gate", kSqueeze},
    {"moe.gate.weight", "ffn_gate_inp.weight", kSqueeze},
    {"moe.router_bias", "exp_probs_b.bias"},
    {"moe.gate_proj", "ffn_gate_exps", kSqueeze},
    {"moe.up_proj", "ffn_up_exps", kSqueeze},
    {"moe.down_proj", "ffn_down_exps", kSqueeze},
    {"share_expert.gate_proj", "ffn_gate_shexp"},
    {"share_expert.up_proj", "ffn_up_shexp"},
    {"share_expert.down_proj", "ffn_down_shexp"},
});

constexpr auto kHunyuan = std::to_array<TensorRule>({
    {"final_layernorm", "nextn.shared_head_norm"},
    {"mlp.router.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.expert_bias", "exp_probs_b"},
    {"mlp.experts.*.gate_proj.weight", "ffn_gate_exps.weight", kStackExperts},
    {"mlp.experts.*.up_proj.weight", "ffn_up_exps.weight", kStackExperts},
    {"mlp.experts.*.down_proj.weight", "ffn_down_exps.weight", kStackExperts},
    {"mlp.shared_mlp.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_mlp.up_proj", "ffn_up_shexp"},
    {"mlp.shared_mlp.down_proj", "ffn_down_shexp"},
});

constexpr auto kQwen35Names = std::to_array<std::string_view>(
    {"Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM", "qwen3_5", "qwen3_5_text"});
constexpr auto kQwen35MoeNames = std::to_array<std::string_view>(
    {"Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM", "qwen3_5_moe", "qwen3_5_moe_text"});
constexpr auto kQwen3NextNames = std::to_array<std::string_view>({"Qwen3NextForCausalLM", "qwen3_next"});
constexpr auto kGlm4MoeNames =
    std::to_array<std::string_view>({"Glm4MoeForCausalLM", "Glm4vMoeForConditionalGeneration", "glm4_moe"});
constexpr auto kGlm4MoeLiteNames = std::to_array<std::string_view>({"Glm4MoeLiteForCausalLM", "glm4_moe_lite"});
constexpr auto kGlmDsaNames = std::to_array<std::string_view>({"GlmMoeDsaForCausalLM", "glm_moe_dsa"});
constexpr auto kDeepseek32Names = std::to_array<std::string_view>({"DeepseekV32ForCausalLM", "deepseek_v32"});
constexpr auto kMimoNames =
    std::to_array<std::string_view>({"MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM", "mimo_v2_flash"});
constexpr auto kStepNames = std::to_array<std::string_view>({"Step3p5ForCausalLM", "step3p5"});
constexpr auto kHunyuanNames = std::to_array<std::string_view>({"HYV3ForCausalLM", "hy_v3"});

constexpr std::string_view kQwenCount = "mtp_num_hidden_layers";
constexpr std::string_view kNextnCount = "num_nextn_predict_layers";

constexpr auto kFamilies = std::to_array<Family>({
    {.architecture = "qwen35",
     .config_names = kQwen35Names,
     .count_key = kQwenCount,
     .rules = {kQwenFusion, kAttention, kPostAttentionNorm, kDense}},
    {.architecture = "qwen35moe",
     .config_names = kQwen35MoeNames,
     .count_key = kQwenCount,
     .rules = {kQwenFusion, kAttention, kPostAttentionNorm, kQwenExperts}},
    {.architecture = "qwen3next",
     .config_names = kQwen3NextNames,
     .count_key = kQwenCount,
     .rules = {kQwenFusion, kAttention, kPostAttentionNorm, kQwenExperts}},
    {.architecture = "glm4moe",
     .config_names = kGlm4MoeNames,
     .count_key = kNextnCount,
     .is_appended = true,
     .rules = {kFusion, kAttention, kPostAttentionNorm, kExperts, kDense}},
    {.architecture = "deepseek2",
     .config_names = kGlm4MoeLiteNames,
     .count_key = kNextnCount,
     .is_appended = true,
     .has_latent_attention = true,
     .rules = {kFusion, kLatentAttention, kFeedForwardNorm, kExperts, kDense}},
    {.architecture = "glm-dsa",
     .config_names = kGlmDsaNames,
     .count_key = kNextnCount,
     .is_appended = true,
     .has_latent_attention = true,
     .rules = {kFusion, kLatentAttention, kIndexer, kFeedForwardNorm, kExperts, kDense}},
    {.architecture = "deepseek32",
     .config_names = kDeepseek32Names,
     .count_key = kNextnCount,
     .is_appended = true,
     .has_latent_attention = true,
     .rules = {kFusion, kLatentAttention, kIndexer, kFeedForwardNorm, kExperts, kDense}},
    {.architecture = "mimo2",
     .config_names = kMimoNames,
     .rules = {kFusion, kMimo, kAttention, kFeedForwardNorm, kExperts, kDense}},
    {.architecture = "step35",
     .config_names = kStepNames,
     .count_key = kNextnCount,
     .is_appended = true,
     .rules = {kFusion, kAttention, kFeedForwardNorm, kStep, kDense}},
    {.architecture = "hy_v3",
     .config_names = kHunyuanNames,
     .count_key = kNextnCount,
     .is_appended = true,
     .rules = {kFusion, kAttention, kFeedForwardNorm, kHunyuan, kDense}},
});

}  // namespace

std::span<const Family> families() { return kFamilies; }

}  // namespace mtpgraft
