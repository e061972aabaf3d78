// The lists of tensors that the table of architectures is made of; names after "blk.N.", alternatives separated by '|'.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace mtpgraft::head_tensors {

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

inline constexpr auto kFusion = names({"nextn.eh_proj.weight", "nextn.enorm.weight", "nextn.hnorm.weight"});
inline constexpr auto kSharedHead =
    names({"nextn.shared_head_norm.weight", "nextn.embed_tokens.weight", "nextn.shared_head_head.weight"});
inline constexpr auto kSharedHeadNorm = names({"nextn.shared_head_norm.weight"});

inline constexpr auto kAttentionNorm = names({"attn_norm.weight"});
inline constexpr auto kPostAttentionNorm = names({"post_attention_norm.weight"});
inline constexpr auto kFeedForwardNorm = names({"ffn_norm.weight"});
inline constexpr auto kPostFeedForwardNorm = names({"post_ffw_norm.weight"});
inline constexpr auto kOutputNorm = names({"layer_output_norm.weight"});

inline constexpr auto kAttention = names({"attn_q.weight|attn_qkv.weight", "attn_k.weight|attn_qkv.weight",
                                          "attn_v.weight|attn_qkv.weight", "attn_output.weight"});
inline constexpr auto kFusedAttention = names({"attn_qkv.weight", "attn_output.weight"});
inline constexpr auto kQueryKeyNorms = names({"attn_q_norm.weight", "attn_k_norm.weight"});
inline constexpr auto kAttentionBiases = names({"attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_qkv.bias"});
inline constexpr auto kAttentionGate = names({"attn_gate.weight"});
inline constexpr auto kSinks = names({"attn_sinks.weight"});
inline constexpr auto kLatentAttention =
    names({"attn_q_a.weight", "attn_q_a_norm.weight", "attn_q_b.weight", "attn_kv_a_mqa.weight",
           "attn_kv_a_norm.weight", "attn_k_b.weight", "attn_v_b.weight", "attn_output.weight"});
inline constexpr auto kIndexer = names({"indexer.k_norm.weight", "indexer.k_norm.bias", "indexer.proj.weight",
                                        "indexer.attn_k.weight", "indexer.attn_q_b.weight"});

inline constexpr auto kGate = names({"ffn_gate.weight"});
inline constexpr auto kUpDown = names({"ffn_up.weight", "ffn_down.weight"});
inline constexpr auto kDense = join(kGate, kUpDown);
inline constexpr auto kRouter = names({"ffn_gate_inp.weight"});
inline constexpr auto kRouterBias = names({"exp_probs_b.bias"});
inline constexpr auto kExperts = names({"ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight"});
inline constexpr auto kExpertsOrFused = names({"ffn_gate_exps.weight|ffn_gate_up_exps.weight",
                                               "ffn_up_exps.weight|ffn_gate_up_exps.weight", "ffn_down_exps.weight"});
inline constexpr auto kSharedExpert = names({"ffn_gate_shexp.weight", "ffn_up_shexp.weight", "ffn_down_shexp.weight"});
inline constexpr auto kSharedExpertGate = names({"ffn_gate_inp_shexp.weight"});

inline constexpr auto kQwenAttention = join(kAttentionNorm, kAttention, kQueryKeyNorms, kPostAttentionNorm);
inline constexpr auto kQwenExperts = join(kRouter, kExpertsOrFused, kSharedExpertGate, kSharedExpert);
inline constexpr auto kQwenDense = join(kQwenAttention, kDense, kFusion);
inline constexpr auto kQwenMoe = join(kQwenAttention, kQwenExperts, kFusion);

inline constexpr auto kGlm4Moe =
    join(kAttentionNorm, kAttention, kPostAttentionNorm, kRouter, kRouterBias, kExperts, kSharedExpert, kFusion);
inline constexpr auto kGlm4MoeOptional = join(kAttentionBiases, kQueryKeyNorms, kSharedHead);

inline constexpr auto kLatentBlock =
    join(kAttentionNorm, kLatentAttention, kFeedForwardNorm, kRouter, kSharedExpert, kFusion);
inline constexpr auto kDeepseek2 = join(kLatentBlock, kExpertsOrFused);
inline constexpr auto kDeepseek32 = join(kLatentBlock, kExperts, kIndexer);
inline constexpr auto kGlmDsa = join(kLatentBlock, kExperts);
inline constexpr auto kLatentOptional = join(kRouterBias, kSharedHead);
inline constexpr auto kGlmDsaOptional = join(kLatentOptional, kIndexer);

inline constexpr auto kDeepseek4 =
    join(names({"attn_norm.weight", "attn_sinks.weight", "attn_q_a.weight", "attn_q_a_norm.weight", "attn_q_b.weight",
                "attn_kv.weight", "attn_kv_a_norm.weight", "attn_output_a.weight", "attn_output_b.weight",
                "hc_attn_fn.weight", "hc_attn_base.weight", "hc_attn_scale.weight", "hc_ffn_fn.weight",
                "hc_ffn_base.weight", "hc_ffn_scale.weight"}),
         kFeedForwardNorm, kRouter, kRouterBias, kExperts, kSharedExpert, kFusion);
inline constexpr auto kDeepseek4Optional = join(kSharedHead, names({"exp_probs_b_vl.bias"}));

inline constexpr auto kMimo2 = join(kAttentionNorm, kFusedAttention, kFeedForwardNorm, kDense, kFusion);
inline constexpr auto kMimo2Optional = join(kSinks, kOutputNorm, kSharedHead);

inline constexpr auto kStep35 = join(kAttentionNorm, kAttention, kFeedForwardNorm, kUpDown, kFusion);
inline constexpr auto kStep35Optional = join(kQueryKeyNorms, kAttentionGate, kGate, kSharedHead);

inline constexpr auto kHyV3 =
    join(kAttentionNorm, kAttention, kQueryKeyNorms, kFeedForwardNorm,
         names({"ffn_up_exps.weight|ffn_gate_up_exps.weight", "ffn_down_exps.weight"}), kFusion);
inline constexpr auto kHyV3Optional =
    join(kRouter, names({"exp_probs_b", "ffn_gate_exps.weight|ffn_gate_up_exps.weight"}), kSharedExpert, kSharedHead);

inline constexpr auto kCohere2Moe = join(kAttentionNorm, kAttention, kRouter, kExpertsOrFused, kFusion);

inline constexpr auto kNemotron =
    join(kAttentionNorm, kAttention, kPostAttentionNorm, kRouter, kRouterBias,
         names({"ffn_up_exps.weight", "ffn_down_exps.weight", "ffn_up_shexp.weight", "ffn_down_shexp.weight"}), kFusion,
         kSharedHeadNorm);
inline constexpr auto kNemotronOptional = names({"attn_output.bias"});

// Queries are of full rank in some models.
inline constexpr auto kBailing3 =
    join(kAttentionNorm,
         names({"attn_q_a.weight|attn_q.weight", "attn_q_a_norm.weight|attn_q.weight", "attn_q_b.weight|attn_q.weight",
                "attn_kv_a_mqa.weight", "attn_kv_a_norm.weight", "attn_k_b.weight", "attn_v_b.weight",
                "attn_output.weight"}),
         kFeedForwardNorm, kRouter, kSharedExpert, kFusion, kExperts, kRouterBias, kAttentionGate, kOutputNorm);
inline constexpr auto kBailing2 = join(kAttentionNorm, kFusedAttention, kQueryKeyNorms, kFeedForwardNorm, kRouter,
                                       kExperts, kSharedExpert, kFusion, kOutputNorm);

inline constexpr auto kGlm4 =
    join(kAttentionNorm, kAttention, kPostAttentionNorm, kFeedForwardNorm, kUpDown, kPostFeedForwardNorm, kFusion);
inline constexpr auto kExaoneMoe = join(kAttentionNorm, kAttention, kQueryKeyNorms, kFeedForwardNorm, kDense, kFusion);
inline constexpr auto kExaone4 =
    join(kAttention, kQueryKeyNorms, kPostAttentionNorm, kDense, kPostFeedForwardNorm, kFusion);

inline constexpr auto kQwen4 =
    join(kAttention, kQueryKeyNorms, kQwenExperts, kFusion,
         names({"hc_attn_norm.weight", "hc_attn_down.weight", "hc_attn_up.weight", "hc_attn_inject.weight",
                "hc_ffn_norm.weight", "hc_ffn_down.weight", "hc_ffn_up.weight", "hc_ffn_inject.weight",
                "nextn.hc_head_norm.weight", "nextn.hc_head_down.weight", "nextn.hc_head_up.weight"}));
inline constexpr auto kQwen4Optional =
    names({"indexer.q_proj.weight", "indexer.k_proj.weight", "indexer.q_norm.weight", "indexer.k_norm.weight"});
inline constexpr auto kDots3Optional =
    join(kFusion, kRouterBias, names({"nextn.shared_head_norm.weight", "nextn.embed_tokens.weight"}));
inline constexpr auto kGlm5 = join(kFusion, kSharedHeadNorm);

inline constexpr auto kDeepseek4Root =
    names({"output_hc_fn.weight", "output_hc_base.weight", "output_hc_scale.weight"});
inline constexpr auto kQwen4Root =
    names({"output_hc_norm.weight", "output_hc_down.weight", "output_hc_up.weight", "per_layer_token_embd.weight"});

inline constexpr auto kCompressor = names({"attn_compressor", "indexer"});
inline constexpr auto kIndexerOnly = names({"indexer."});

}  // namespace mtpgraft::head_tensors
