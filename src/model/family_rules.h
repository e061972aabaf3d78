// The lists of rules that the table of families is made of: what a head's tensors are called in a checkpoint, and in a
// GGUF.
#pragma once

#include <array>

#include "model/families.h"

namespace mtpgraft::family_rules {

using enum Transform;

inline constexpr auto kQwenFusion = std::to_array<TensorRule>({
    {"mtp.fc", "nextn.eh_proj"},
    {"mtp.pre_fc_norm_embedding", "nextn.enorm"},
    {"mtp.pre_fc_norm_hidden", "nextn.hnorm"},
    {"mtp.norm", "nextn.shared_head_norm"},
});

inline constexpr auto kFusion = std::to_array<TensorRule>({
    {"eh_proj", "nextn.eh_proj"},
    {"enorm", "nextn.enorm"},
    {"hnorm", "nextn.hnorm"},
});

inline constexpr auto kSharedHead = std::to_array<TensorRule>({
    {"embed_tokens", "nextn.embed_tokens"},
    {"shared_head.norm", "nextn.shared_head_norm"},
    {"shared_head.head", "nextn.shared_head_head"},
});

// Of families that call the norm, or both, otherwise.
inline constexpr auto kOwnEmbeddings = std::to_array<TensorRule>({{"embed_tokens", "nextn.embed_tokens"}});
inline constexpr auto kHeadNorm = std::to_array<TensorRule>({{"shared_head.norm", "nextn.shared_head_norm"}});
inline constexpr auto kHeadMatrix = std::to_array<TensorRule>({{"shared_head.head", "nextn.shared_head_head"}});
inline constexpr auto kHeadNormAndMatrix = std::to_array<TensorRule>(
    {{"shared_head.norm", "nextn.shared_head_norm"}, {"shared_head.head", "nextn.shared_head_head"}});

inline constexpr auto kAttention = std::to_array<TensorRule>({
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
});

inline constexpr auto kLatentAttention = std::to_array<TensorRule>({
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

inline constexpr auto kIndexer = std::to_array<TensorRule>({
    {"self_attn.indexer.wq_b", "indexer.attn_q_b"},
    {"self_attn.indexer.wk", "indexer.attn_k"},
    {"self_attn.indexer.k_norm", "indexer.k_norm"},
    {"self_attn.indexer.weights_proj", "indexer.proj"},
});

inline constexpr auto kPostAttentionNorm =
    std::to_array<TensorRule>({{"post_attention_layernorm", "post_attention_norm"}});
inline constexpr auto kFeedForwardNorm = std::to_array<TensorRule>({{"post_attention_layernorm", "ffn_norm"}});

inline constexpr auto kDense = std::to_array<TensorRule>({
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
});

inline constexpr auto kExperts = std::to_array<TensorRule>({
    {"mlp.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.experts.*.gate_proj.weight", "ffn_gate_exps.weight", kStackExperts},
    {"mlp.experts.*.up_proj.weight", "ffn_up_exps.weight", kStackExperts},
    {"mlp.experts.*.down_proj.weight", "ffn_down_exps.weight", kStackExperts},
    {"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_experts.up_proj", "ffn_up_shexp"},
    {"mlp.shared_experts.down_proj", "ffn_down_shexp"},
    // As MLX has them.
    {"mlp.switch_mlp.gate_proj.weight", "ffn_gate_exps.weight"},
    {"mlp.switch_mlp.up_proj.weight", "ffn_up_exps.weight"},
    {"mlp.switch_mlp.down_proj.weight", "ffn_down_exps.weight"},
});

inline constexpr auto kQwenExperts = std::to_array<TensorRule>({
    {"mlp.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.shared_expert_gate.weight", "ffn_gate_inp_shexp.weight", kSqueeze},
    {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
    {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
});

// Qwen3.5's BF16 checkpoints have their experts in one tensor; Qwen3-Next's, and those in FP8, one by one.
inline constexpr auto kFusedExperts = std::to_array<TensorRule>({
    {"mlp.experts.gate_up_proj", "ffn_gate_exps.weight", kSplitGateUp},
    {"mlp.experts.down_proj", "ffn_down_exps.weight"},
});
inline constexpr auto kSingleExperts = std::to_array<TensorRule>({
    {"mlp.experts.*.gate_proj.weight", "ffn_gate_exps.weight", kStackExperts},
    {"mlp.experts.*.up_proj.weight", "ffn_up_exps.weight", kStackExperts},
    {"mlp.experts.*.down_proj.weight", "ffn_down_exps.weight", kStackExperts},
    // As MLX has them.
    {"mlp.switch_mlp.gate_proj.weight", "ffn_gate_exps.weight"},
    {"mlp.switch_mlp.up_proj.weight", "ffn_up_exps.weight"},
    {"mlp.switch_mlp.down_proj.weight", "ffn_down_exps.weight"},
});

// llama.cpp's graph of the head wants queries, keys and values in one matrix, however the checkpoint has them.
inline constexpr auto kMimoAlternates = std::to_array<TensorRule>({
    {"post_attention_layernorm", "ffn_norm"},
    {"self_attn.q_proj.weight", "attn_qkv.weight", kJoinRows, 0},
    {"self_attn.k_proj.weight", "attn_qkv.weight", kJoinRows, 1},
    {"self_attn.v_proj.weight", "attn_qkv.weight", kJoinRows, 2},
});

inline constexpr auto kMimo = std::to_array<TensorRule>({
    {"input_layernorm", "attn_norm"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"pre_mlp_layernorm", "ffn_norm"},
    {"final_layernorm", "layer_output_norm"},
    {"self_attn.qkv_proj.weight", "attn_qkv.weight", kFuseQkv},
    {"self_attn.attention_sink_bias", "attn_sinks.weight"},
});

inline constexpr auto kStep = std::to_array<TensorRule>({
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

inline constexpr auto kHunyuan = std::to_array<TensorRule>({
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

// Before what has the same names without ".bias".
inline constexpr auto kCohereBiases = std::to_array<TensorRule>({
    {"input_layernorm.bias", "attn_norm.bias", kLeaveOut},
    {"self_attn.q_proj.bias", "attn_q.bias", kLeaveOut},
    {"self_attn.k_proj.bias", "attn_k.bias", kLeaveOut},
    {"self_attn.v_proj.bias", "attn_v.bias", kLeaveOut},
    {"self_attn.o_proj.bias", "attn_output.bias", kLeaveOut},
    {"enorm.bias", "nextn.enorm.bias", kLeaveOut},
    {"hnorm.bias", "nextn.hnorm.bias", kLeaveOut},
    {"eh_proj.bias", "nextn.eh_proj.bias", kLeaveOut},
    {"shared_head.norm.bias", "nextn.shared_head_norm.bias", kLeaveOut},
});

inline constexpr auto kOneSharedExpert = std::to_array<TensorRule>({
    {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
    {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
});

inline constexpr auto kNemotron = std::to_array<TensorRule>({
    {"layers.0.eh_proj", "nextn.eh_proj"},
    {"layers.0.enorm", "nextn.enorm"},
    {"layers.0.hnorm", "nextn.hnorm"},
    {"layers.0.norm", "attn_norm"},
    {"layers.0.mixer.q_proj", "attn_q", kInterleaveHalves},
    {"layers.0.mixer.k_proj", "attn_k", kInterleaveHalves},
    {"layers.0.mixer.v_proj", "attn_v"},
    {"layers.0.mixer.o_proj", "attn_output"},
    {"layers.1.norm", "post_attention_norm"},
    {"layers.1.mixer.gate.weight", "ffn_gate_inp.weight"},
    {"layers.1.mixer.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"layers.1.mixer.experts.*.up_proj.weight", "ffn_up_exps.weight", kStackExperts},
    {"layers.1.mixer.experts.*.down_proj.weight", "ffn_down_exps.weight", kStackExperts},
    {"layers.1.mixer.shared_experts.up_proj", "ffn_up_shexp"},
    {"layers.1.mixer.shared_experts.down_proj", "ffn_down_shexp"},
    {"layers.1.mixer.fc1_latent_proj", "ffn_latent_down"},
    {"layers.1.mixer.fc2_latent_proj", "ffn_latent_up"},
    {"layers.1.final_layernorm", "nextn.shared_head_norm"},
});

inline constexpr auto kNemotronAlternates =
    std::to_array<TensorRule>({{"layers.1.mixer.gate.e_score_correction.bias", "exp_probs_b.bias"}});

inline constexpr auto kLing = std::to_array<TensorRule>({
    {"input_layernorm", "attn_norm"},
    {"attention.dense", "attn_output"},
    {"mlp.gate.expert_bias", "exp_probs_b.bias"},
    {"final_layernorm", "layer_output_norm"},
});

inline constexpr auto kLing3 = std::to_array<TensorRule>({
    {"attention.q_proj", "attn_q"},
    {"attention.q_a_proj", "attn_q_a"},
    {"attention.q_a_layernorm", "attn_q_a_norm"},
    {"attention.q_b_proj", "attn_q_b"},
    {"attention.kv_a_proj_with_mqa", "attn_kv_a_mqa"},
    {"attention.kv_a_layernorm", "attn_kv_a_norm"},
    {"attention.kv_b_proj.weight", "attn_k_b.weight", kSplitKeyValue},
    {"attention.g_proj", "attn_gate"},
});

inline constexpr auto kLing2 = std::to_array<TensorRule>({
    {"attention.query_key_value", "attn_qkv"},
    {"attention.query_layernorm", "attn_q_norm"},
    {"attention.key_layernorm", "attn_k_norm"},
});

inline constexpr auto kDeepseek4 = std::to_array<TensorRule>({
    {"e_proj.weight", "nextn.eh_proj.weight", kJoinColumns, 0},
    {"h_proj.weight", "nextn.eh_proj.weight", kJoinColumns, 1},
    {"enorm", "nextn.enorm"},
    {"hnorm", "nextn.hnorm"},
    {"norm", "nextn.shared_head_norm"},
    {"attn_norm", "attn_norm"},
    {"ffn_norm", "ffn_norm"},
    {"attn.attn_sink", "attn_sinks.weight"},
    {"attn.wq_a", "attn_q_a"},
    {"attn.q_norm", "attn_q_a_norm"},
    {"attn.wq_b", "attn_q_b"},
    {"attn.wkv", "attn_kv"},
    {"attn.kv_norm", "attn_kv_a_norm"},
    {"attn.wo_a", "attn_output_a"},
    {"attn.wo_b", "attn_output_b"},
    {"hc_attn_fn", "hc_attn_fn.weight"},
    {"hc_attn_base", "hc_attn_base.weight"},
    {"hc_attn_scale", "hc_attn_scale.weight"},
    {"hc_ffn_fn", "hc_ffn_fn.weight"},
    {"hc_ffn_base", "hc_ffn_base.weight"},
    {"hc_ffn_scale", "hc_ffn_scale.weight"},
    {"hc_head_fn", "output_hc_fn.weight"},
    {"hc_head_base", "output_hc_base.weight"},
    {"hc_head_scale", "output_hc_scale.weight"},
    {"ffn.gate.weight", "ffn_gate_inp.weight"},
    {"ffn.gate.bias", "exp_probs_b.bias"},
    {"ffn.gate.bias_vl", "exp_probs_b_vl.bias"},
    {"ffn.experts.*.w1.weight", "ffn_gate_exps.weight", kStackExperts},
    {"ffn.experts.*.w3.weight", "ffn_up_exps.weight", kStackExperts},
    {"ffn.experts.*.w2.weight", "ffn_down_exps.weight", kStackExperts},
    {"ffn.shared_experts.w1", "ffn_gate_shexp"},
    {"ffn.shared_experts.w3", "ffn_up_shexp"},
    {"ffn.shared_experts.w2", "ffn_down_shexp"},
});

inline constexpr auto kGlm4 = std::to_array<TensorRule>({
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q", kPartPairs},
    {"self_attn.k_proj", "attn_k", kPartPairs},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"post_self_attn_layernorm", "post_attention_norm"},
    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"post_mlp_layernorm", "post_ffw_norm"},
});

inline constexpr auto kPostFeedForwardNorm =
    std::to_array<TensorRule>({{"post_feedforward_layernorm", "post_ffw_norm"}});

// Before kLatentAttention, whose norms it has otherwise.
inline constexpr auto kDots3 = std::to_array<TensorRule>({
    {"mtp.embed_tokens", "nextn.embed_tokens"},
    {"self_attn.q_a_layernorm", "attn_q_a_norm", kRescaleQuery},
    {"self_attn.kv_a_layernorm", "attn_kv_a_norm", kRescaleLatent},
    {"self_attn.k_rope_only_layernorm", "attn_k_norm"},
    {"self_attn.g_proj", "attn_gate"},
});

inline constexpr auto kQwen4 = std::to_array<TensorRule>({
    {"mtp.fc_embedding.weight", "nextn.eh_proj.weight", kJoinColumns, 0},
    {"mtp.fc_hidden.weight", "nextn.eh_proj.weight", kJoinColumns, 1},
    {"mtp.pre_fc_norm_embedding", "nextn.enorm"},
    {"mtp.pre_fc_norm_hidden", "nextn.hnorm"},
    {"mtp.hyper_connection_mixer.hc_norm", "nextn.hc_head_norm"},
    {"mtp.hyper_connection_mixer.input_mix_weight_down", "nextn.hc_head_down"},
    {"mtp.hyper_connection_mixer.input_mix_weight_up", "nextn.hc_head_up"},
    {"attn_hyper_connection.hc_norm", "hc_attn_norm"},
    {"attn_hyper_connection.input_mix_weight_down", "hc_attn_down"},
    {"attn_hyper_connection.input_mix_weight_up", "hc_attn_up"},
    {"attn_hyper_connection.block_inject_weight", "hc_attn_inject"},
    {"mlp_hyper_connection.hc_norm", "hc_ffn_norm"},
    {"mlp_hyper_connection.input_mix_weight_down", "hc_ffn_down"},
    {"mlp_hyper_connection.input_mix_weight_up", "hc_ffn_up"},
    {"mlp_hyper_connection.block_inject_weight", "hc_ffn_inject"},
    {"self_attn.indexer.index_qk_proj.weight", "indexer.q_proj.weight", kSplitIndexer},
    {"self_attn.indexer.q_layernorm", "indexer.q_norm"},
    {"self_attn.indexer.k_layernorm", "indexer.k_norm"},
});

inline constexpr auto kPooledIndexer = std::to_array<TensorRule>({
    {"self_attn.indexer.index_kpool_compress_gate", "indexer_compressor_gate.weight"},
    {"self_attn.indexer.index_kpool_compress_ape", "indexer_compressor_ape.weight"},
});

}  // namespace mtpgraft::family_rules
