#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "gguf/describe.h"
#include "model/architectures.h"
#include "model/dialect.h"
#include "mtpgraft/split.h"
#include "mtpgraft/summary.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

struct DrafterType {
  std::string_view architecture;
  std::string_view spec_type;  // of llama-server's --spec-type
};

constexpr auto kDrafterTypes = std::to_array<DrafterType>({
    {"eagle3", "draft-eagle3"},
    {"dflash", "draft-dflash"},
    {"dspark", "draft-dspark"},
});

// Encoders, which llama.cpp runs for their vectors only.
constexpr auto kEncoders =
    std::to_array<std::string_view>({"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2",
                                     "jina-bert-v3", "eurobert", "gemma-embedding", "llama-embed", "t5encoder"});

// Of ComfyUI, stable-diffusion.cpp and other programs.
constexpr auto kMediaArchitectures = std::to_array<std::string_view>(
    {"flux",   "flux2",   "sd1",        "sd3",    "sdxl",    "aura",  "ltxv",   "hyvid",   "wan",    "hidream",
     "cosmos", "lumina2", "qwen_image", "chroma", "z_image", "mochi", "pixart", "whisper", "kokoro", "parler-tts"});

bool is_one_of(std::string_view word, std::span<const std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

bool any_tensor(const GgufFile& file, std::string_view ending) {
  return std::ranges::any_of(file.tensors, [&](const TensorInfo& tensor) { return tensor.name.ends_with(ending); });
}

// Empty unless it is a drafter with blocks of its own.
std::string_view find_spec_type(const GgufFile& file) {
  const auto architecture = file.architecture();
  if (find_architecture(architecture).support == MtpSupport::kSeparateDrafter) {
    return "draft-mtp";
  }
  // llama.cpp tells DSpark from DFlash by this tensor.
  if (architecture == "dflash" && file.find_tensor("markov_w1.weight") != nullptr) {
    return "draft-dspark";
  }
  const auto* type = std::ranges::find(kDrafterTypes, architecture, &DrafterType::architecture);
  return type != kDrafterTypes.end() ? type->spec_type : "";
}

// What is made for a model, and is none.
std::optional<Recognised> recognise_companion(const GgufFile& file) {
  const auto type = text_of(file, "general.type");
  const auto architecture = file.architecture();
  const auto name = shell_quoted(file.path);
  if (type == "adapter" || file.find_key("adapter.type") != nullptr || any_tensor(file, ".lora_a")) {
    return Recognised{FileKind::kAdapter, "a LoRA adapter",
                      fmt::format("llama-server -m MODEL --lora {}; llama-export-lora merges it into its model", name)};
  }
  if (type == "imatrix" || file.find_key("imatrix.datasets") != nullptr || any_tensor(file, ".in_sum2")) {
    return Recognised{FileKind::kImatrix, "an importance matrix", fmt::format("llama-quantize --imatrix {}", name)};
  }
  if (type == "mmproj" || architecture == "clip") {
    return Recognised{FileKind::kProjector, "a vision or audio projector (mmproj)",
                      fmt::format("llama-server -m MODEL --mmproj {}", name)};
  }
  if (architecture == "controlvector" || std::ranges::any_of(file.tensors, [](const TensorInfo& tensor) {
        return tensor.name.starts_with("direction.");
      })) {
    return Recognised{FileKind::kControlVector, "a control vector",
                      fmt::format("llama-server -m MODEL --control-vector {}", name)};
  }
  if (architecture == "wavtokenizer-dec") {
    return Recognised{FileKind::kMediaModel, fmt::format("a model that makes speech sound ({})", architecture),
                      fmt::format("llama-tts -m MODEL -mv {}", name)};
  }
  if (is_one_of(architecture, kMediaArchitectures)) {
    return Recognised{FileKind::kMediaModel, fmt::format("a model of pictures, films or sound ({})", architecture),
                      "for other programs than llama.cpp"};
  }
  if (type == "vocab" || (file.tensors.empty() && file.find_key("tokenizer.ggml.tokens") != nullptr)) {
    return Recognised{FileKind::kVocabulary, "a vocabulary without a model", "for tests of tokenizers"};
  }
  return std::nullopt;
}

constexpr std::uint64_t kNoPooling = 0;
constexpr std::uint64_t kRankPooling = 4;

std::uint64_t pooling_of(const GgufFile& file) {
  const auto* pooling = file.find_arch_key("pooling_type");
  return pooling == nullptr ? kNoPooling : pooling->value.unsigned_at().value_or(kNoPooling);
}

bool is_embedding_model(const GgufFile& file) {
  return pooling_of(file) != kNoPooling || is_one_of(file.architecture(), kEncoders);
}

Recognised recognise_sidecar(const GgufFile& file) {
  const auto what = fmt::format("a {} MTP head", file.architecture());
  if (!find_trimmed_vocabulary(file).empty()) {
    return {FileKind::kTrimmed, what + " with a trimmed vocabulary", {}};
  }
  if (borrows_shared_tensors(file)) {
    return {FileKind::kBorrowing, what + " that borrows its model's tensors", {}};
  }
  const auto architecture = find_architecture(file.architecture());
  const bool has_shared = std::ranges::all_of(sidecar_tensors(architecture),
                                              [&](std::string_view name) { return file.find_tensor(name) != nullptr; });
  return {has_shared && architecture.loads_sidecar ? FileKind::kSidecar : FileKind::kBareHead, what, {}};
}

}  // namespace

Recognised recognise(const GgufFile& file, const Head& head) {
  const auto architecture = file.architecture();
  if (const auto spec_type = find_spec_type(file); !spec_type.empty()) {
    return {FileKind::kDrafter, fmt::format("a drafter ({}), which runs beside its model", architecture),
            fmt::format("llama-server -m MODEL -md {} --spec-type {}", shell_quoted(file.path), spec_type)};
  }
  if (head.state == HeadState::kShard) {
    return {FileKind::kShard, "one file of a split model", {}};
  }
  if (auto companion = recognise_companion(file)) {
    return *companion;
  }
  if (head.state == HeadState::kTensorsOnly) {
    return {FileKind::kBareHead, "an MTP head without a model's keys", {}};
  }
  if (head.state == HeadState::kSidecar) {
    return recognise_sidecar(file);
  }
  if (head.state == HeadState::kNone && is_embedding_model(file)) {
    const bool ranks = pooling_of(file) == kRankPooling;
    return {FileKind::kEmbeddingModel, ranks ? "a reranker" : "an embedding model, or a reranker",
            fmt::format("llama-server -m {} --{}; it writes no text, so that there is nothing to draft",
                        shell_quoted(file.path), ranks ? "reranking" : "embeddings")};
  }
  const bool has_blocks = std::ranges::any_of(
      file.tensors, [](const TensorInfo& tensor) { return split_block_name(tensor.name).has_value(); });
  return architecture.empty() || (!has_blocks && head.state == HeadState::kNone)
             ? Recognised{FileKind::kOtherGguf,
                          architecture.empty() ? "a GGUF without general.architecture, so no model"
                                               : fmt::format("a GGUF with keys of {} and no blocks", architecture),
                          {}}
             : Recognised{FileKind::kModel, fmt::format("a {} model", architecture), {}};
}

}  // namespace mtpgraft
