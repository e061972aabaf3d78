#include "model/families.h"

#include <algorithm>
#include <array>

#include "model/family_rules.h"

namespace mtpgraft {
namespace {

namespace rules = family_rules;

constexpr auto kQwen35Names = std::to_array<std::string_view>(
    {"Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM", "qwen3_5", "qwen3_5_text"});
constexpr auto kQwen35MoeNames = std::to_array<std::string_view>(
    {"Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM", "qwen3_5_moe", "qwen3_5_moe_text"});
constexpr auto kQwen3NextNames = std::to_array<std::string_view>({"Qwen3NextForCausalLM", "qwen3_next"});
constexpr auto kGlm4MoeNames = std::to_array<std::string_view>(
    {"Glm4MoeForCausalLM", "Glm4vMoeForConditionalGeneration", "glm4_moe", "glm4v_moe", "glm4v_moe_text"});
constexpr auto kGlm4MoeLiteNames = std::to_array<std::string_view>({"Glm4MoeLiteForCausalLM", "glm4_moe_lite"});
constexpr auto kDeepseek3Names = std::to_array<std::string_view>({"DeepseekV3ForCausalLM", "deepseek_v3"});
constexpr auto kGlmDsaNames = std::to_array<std::string_view>({"GlmMoeDsaForCausalLM", "glm_moe_dsa"});
constexpr auto kDeepseek32Names = std::to_array<std::string_view>({"DeepseekV32ForCausalLM", "deepseek_v32"});
constexpr auto kDeepseek4Names = std::to_array<std::string_view>({"DeepseekV4ForCausalLM", "deepseek_v4"});
constexpr auto kMimoNames =
    std::to_array<std::string_view>({"MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM", "mimo_v2_flash", "mimo_v2"});
constexpr auto kStepNames =
    std::to_array<std::string_view>({"Step3p5ForCausalLM", "Step3p7ForConditionalGeneration", "step3p5", "step3p7"});
constexpr auto kHunyuanNames = std::to_array<std::string_view>({"HYV3ForCausalLM", "hy_v3"});
constexpr auto kCohereNames = std::to_array<std::string_view>({"Cohere2MoeForCausalLM", "cohere2_moe"});
constexpr auto kNemotronNames = std::to_array<std::string_view>({"NemotronHForCausalLM", "nemotron_h"});
constexpr auto kLing3Names = std::to_array<std::string_view>({"BailingMoeV3ForCausalLM", "bailing_moe_v3"});
constexpr auto kLing2Names = std::to_array<std::string_view>({"BailingMoeV2ForCausalLM", "bailing_moe_v2"});
constexpr auto kGlmOcrNames =
    std::to_array<std::string_view>({"GlmOcrForConditionalGeneration", "glm_ocr", "glm_ocr_text"});
constexpr auto kExaoneMoeNames =
    std::to_array<std::string_view>({"ExaoneMoEForCausalLM", "ExaoneMoeForCausalLM", "exaone_moe"});
constexpr auto kExaone45Names =
    std::to_array<std::string_view>({"Exaone4_5_ForConditionalGeneration", "exaone4_5", "exaone4_5_text"});
constexpr auto kDots3Names =
    std::to_array<std::string_view>({"Dots3NoteForCausalLM", "Dots3NoteForConditionalGeneration",
                                     "Dots3NoteTextForCausalLM", "dots3_note", "dots3_note_text"});
constexpr auto kQwen4Names = std::to_array<std::string_view>(
    {"Qwen4ExpForConditionalGeneration", "Qwen4ExpForCausalLM", "qwen4_exp", "qwen4_exp_text"});
constexpr auto kGlm5NextNames = std::to_array<std::string_view>(
    {"Glm5NextForConditionalGeneration", "Glm5NextForCausalLM", "glm5_next", "glm5_next_text"});

constexpr std::string_view kQwenCount = "mtp_num_hidden_layers";
constexpr std::string_view kNextnCount = "num_nextn_predict_layers";

constexpr std::string_view kConverterRun = "the converter of v0.5.0, run";

constexpr auto kFamilies = std::to_array<Family>({
    {.architecture = "qwen35",
     .config_names = kQwen35Names,
     .count_key = kQwenCount,
     .held_to = kConverterRun,
     .rules = {rules::kQwenFusion, rules::kAttention, rules::kPostAttentionNorm, rules::kDense}},
    {.architecture = "qwen35moe",
     .config_names = kQwen35MoeNames,
     .count_key = kQwenCount,
     .held_to = kConverterRun,
     .rules = {rules::kQwenFusion, rules::kAttention, rules::kPostAttentionNorm, rules::kQwenExperts,
               rules::kFusedExperts},
     .alternates = rules::kSingleExperts},
    {.architecture = "qwen3next",
     .config_names = kQwen3NextNames,
     .count_key = kQwenCount,
     .held_to = kConverterRun,
     .rules = {rules::kQwenFusion, rules::kAttention, rules::kPostAttentionNorm, rules::kQwenExperts,
               rules::kSingleExperts},
     .alternates = rules::kFusedExperts},
    {.architecture = "glm4moe",
     .config_names = kGlm4MoeNames,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .held_to = kConverterRun,
     .rules = {rules::kFusion, rules::kSharedHead, rules::kAttention, rules::kPostAttentionNorm, rules::kExperts,
               rules::kDense}},
    {.architecture = "deepseek2",
     .config_names = kGlm4MoeLiteNames,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .held_to = kConverterRun,
     .rules = {rules::kFusion, rules::kSharedHead, rules::kLatentAttention, rules::kFeedForwardNorm, rules::kExperts,
               rules::kDense}},
    {.architecture = "deepseek2",
     .config_names = kDeepseek3Names,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .held_to = "what the converter of v0.5.0 makes of GLM-4.7-Flash, run; of these it leaves the head out",
     .rules = {rules::kFusion, rules::kSharedHead, rules::kLatentAttention, rules::kFeedForwardNorm, rules::kExperts,
               rules::kDense}},
    {.architecture = "glm-dsa",
     .config_names = kGlmDsaNames,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .held_to = kConverterRun,
     .rules = {rules::kFusion, rules::kSharedHead, rules::kLatentAttention, rules::kIndexer, rules::kFeedForwardNorm,
               rules::kExperts, rules::kDense}},
    {.architecture = "deepseek32",
     .config_names = kDeepseek32Names,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .held_to = kConverterRun,
     .rules = {rules::kFusion, rules::kSharedHead, rules::kLatentAttention, rules::kIndexer, rules::kFeedForwardNorm,
               rules::kExperts, rules::kDense}},
    {.architecture = "deepseek4",
     .config_names = kDeepseek4Names,
     .count_key = kNextnCount,
     .layout = HeadLayout::kNumbered,
     .held_to = "the converter of v0.5.0, run; it takes experts in MXFP4 only",
     .rules = {rules::kDeepseek4}},
    {.architecture = "mimo2",
     .config_names = kMimoNames,
     .held_to = kConverterRun,
     .written_prefix = "model.mtp.layers.",
     .rules = {rules::kFusion, rules::kSharedHead, rules::kMimo, rules::kExperts, rules::kDense},
     .alternates = rules::kMimoAlternates},
    {.architecture = "step35",
     .config_names = kStepNames,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .held_to = kConverterRun,
     .rules = {rules::kFusion, rules::kOwnEmbeddings, rules::kAttention, rules::kFeedForwardNorm, rules::kStep,
               rules::kDense},
     .alternates = rules::kHeadNormAndMatrix},
    {.architecture = "hy_v3",
     .config_names = kHunyuanNames,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .held_to = kConverterRun,
     .rules = {rules::kFusion, rules::kOwnEmbeddings, rules::kHeadMatrix, rules::kAttention, rules::kFeedForwardNorm,
               rules::kHunyuan, rules::kDense},
     .alternates = rules::kHeadNorm},
    {.architecture = "cohere2moe",
     .config_names = kCohereNames,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .held_to = kConverterRun,
     .rules = {rules::kCohereBiases, rules::kFusion, rules::kSharedHead, rules::kAttention, rules::kExperts,
               rules::kOneSharedExpert}},
    {.architecture = "nemotron_h_moe",
     .config_names = kNemotronNames,
     .count_key = kNextnCount,
     .layout = HeadLayout::kFolded,
     .held_to = kConverterRun,
     .rules = {rules::kNemotron},
     .alternates = rules::kNemotronAlternates},
    {.architecture = "bailingmoe3",
     .config_names = kLing3Names,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .latent = {.heads = "num_attention_heads"},
     .held_to = kConverterRun,
     .rules = {rules::kFusion, rules::kLing, rules::kLing3, rules::kFeedForwardNorm, rules::kExperts}},
    {.architecture = "glm4",
     .config_names = kGlmOcrNames,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .held_to = kConverterRun,
     .rules = {rules::kFusion, rules::kSharedHead, rules::kGlm4}},
    {.architecture = "bailingmoe2",
     .config_names = kLing2Names,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .held_to = kConverterRun,
     .rules = {rules::kFusion, rules::kSharedHead, rules::kLing, rules::kLing2, rules::kFeedForwardNorm,
               rules::kExperts}},
    {.architecture = "exaone-moe",
     .config_names = kExaoneMoeNames,
     .count_key = kNextnCount,
     .shares_fusion = true,
     .held_to = kConverterRun,
     .rules = {rules::kQwenFusion, rules::kAttention, rules::kFeedForwardNorm, rules::kDense}},
    {.architecture = "exaone4",
     .config_names = kExaone45Names,
     .count_key = kNextnCount,
     .shares_fusion = true,
     .shared_layer_key = "mtp_share_layers",
     .held_to = kConverterRun,
     .rules = {rules::kQwenFusion, rules::kAttention, rules::kPostAttentionNorm, rules::kPostFeedForwardNorm,
               rules::kDense}},
    {.architecture = "dots3note",
     .config_names = kDots3Names,
     .layout = HeadLayout::kAppended,
     .latent = {.heads = "swa_num_attention_heads",
                .unrotated_width = "swa_qk_nope_head_dim",
                .value_width = "swa_v_head_dim"},
     .held_to = kConverterRun,
     .rules = {rules::kDots3, rules::kFusion, rules::kSharedHead, rules::kLatentAttention, rules::kFeedForwardNorm,
               rules::kExperts, rules::kDense}},
    {.architecture = "qwen4exp",
     .config_names = kQwen4Names,
     .count_key = kQwenCount,
     .held_to = "the converter of llama.cpp #28243, read; v0.5.0 leaves the head out, and its trunk, run, is alike",
     .rules = {rules::kQwen4, rules::kAttention, rules::kQwenExperts, rules::kFusedExperts},
     .alternates = rules::kSingleExperts},
    {.architecture = "glm5next",
     .config_names = kGlm5NextNames,
     .count_key = kNextnCount,
     .layout = HeadLayout::kAppended,
     .latent = {.heads = "num_attention_heads"},
     .held_to = "the converter of unsloth's fork, read; v0.5.0 does not know the model, and its glm-dsa, run, is alike",
     .rules = {rules::kFusion, rules::kSharedHead, rules::kLatentAttention, rules::kIndexer, rules::kPooledIndexer,
               rules::kFeedForwardNorm, rules::kExperts}},
});

constexpr auto kPuzzleNames = std::to_array<std::string_view>({"NemotronHPuzzleForCausalLM"});
constexpr auto kHunyuan4Names = std::to_array<std::string_view>({"HYV4ForCausalLM", "hy_v4"});
constexpr auto kErnieNames = std::to_array<std::string_view>({"Ernie4_5_MoeForCausalLM", "ernie4_5_moe"});
constexpr auto kDrafterNames = std::to_array<std::string_view>(
    {"DeepseekV4DSparkModel", "Qwen3DSparkModel", "DSparkDraftModel", "DSparkSpeculator", "LingDSparkModel",
     "DFlashDraftModel", "DFlash2DraftModel", "Gemma4AssistantForCausalLM", "Gemma4UnifiedAssistantForCausalLM"});

constexpr std::string_view kNoCode = "llama.cpp v0.5.0 has no code for such a head, so that no GGUF can have it";
constexpr std::string_view kOtherDrafts = "draft with a small model of the same vocabulary instead (-md)";

constexpr auto kUnreadable = std::to_array<UnreadableFamily>({
    {kPuzzleNames, "its blocks are laid out by mtp_block_configs, and llama.cpp v0.5.0 does not run them",
     kOtherDrafts},
    {kHunyuan4Names, kNoCode, kOtherDrafts},
    {kErnieNames, kNoCode, kOtherDrafts},
    {kDrafterNames, "it is a drafter, a model of its own, and no head of another",
     "convert it with llama.cpp's convert_hf_to_gguf.py, and give it to llama-server with -md"},
});

}  // namespace

std::span<const Family> families() { return kFamilies; }

const Family* family_of_architecture(std::string_view architecture) {
  const auto* found = std::ranges::find(kFamilies, architecture, &Family::architecture);
  return found != kFamilies.end() ? found : nullptr;
}

std::span<const UnreadableFamily> unreadable_families() { return kUnreadable; }

}  // namespace mtpgraft
