// The rules are those of llama.cpp's tools/mtmd (clip_n_mmproj_embd, and the constructor of mtmd_context that compares
// it with the model's n_embd_inp), as of b10257.
#include "mtpgraft/projector.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "gguf/describe.h"
#include "model/architectures.h"
#include "model/compatibility.h"
#include "mtpgraft/head.h"
#include "mtpgraft/summary.h"
#include "util/checked.h"

namespace mtpgraft {
namespace {

constexpr std::size_t kColumns = 0;  // also the length of a vector
constexpr std::size_t kRows = 1;

// The tensor and its extent that are the width of a projector type. A type may have two entries: the first whose tensor
// is there counts.
struct WidthTensor {
  std::string_view type;
  std::string_view tensor;
  std::size_t dimension;
};

constexpr auto kWidthTensors = std::to_array<WidthTensor>({
    {"adapter", "adapter.linear.dense_4h_to_h.weight", kRows},
    {"cogvlm", "mm.down.weight", kRows},
    {"deepseekocr", "mm.model.fc.weight", kRows},
    {"dots_ocr", "mm.2.weight", kRows},
    {"exaone4_5", "mm.2.bias", kColumns},
    {"gemma3", "mm.input_projection.weight", kColumns},
    {"gemma3nv", "mm.input_projection.weight", kColumns},
    {"gemma4a", "mm.a.input_projection.weight", kRows},
    {"gemma4v", "mm.input_projection.weight", kRows},
    {"glm4v", "mm.down.weight", kRows},
    {"glma", "mm.a.mlp.2.weight", kRows},
    {"hunyuanocr", "mm.model.fc.weight", kRows},
    {"hunyuanvl", "mm.model.fc.weight", kRows},
    {"idefics3", "mm.model.fc.weight", kRows},
    {"internvl", "mm.model.mlp.3.weight", kRows},
    {"janus_pro", "mm.1.bias", kColumns},
    {"kimik25", "mm.2.weight", kRows},
    {"kimivl", "mm.2.weight", kRows},
    {"ldp", "mm.model.mb_block.1.block.2.1.bias", kColumns},
    {"ldpv2", "mm.model.peg.0.bias", kColumns},
    {"lfm2", "mm.2.weight", kRows},
    {"lightonocr", "mm.2.weight", kRows},
    {"llama4", "mm.model.fc.weight", kRows},
    {"meralion", "mm.a.mlp.3.weight", kRows},
    {"mimovl", "mm.2.weight", kRows},
    {"minicpmv4_6", "mm.down.weight", kRows},
    {"mlp", "mm.3.bias", kColumns},
    {"mlp", "mm.2.weight", kRows},
    {"musicflamingo", "mm.a.mlp.2.weight", kRows},
    {"nemotron_v2_vl", "mm.model.mlp.3.weight", kRows},
    {"paddleocr", "mm.2.weight", kRows},
    {"parakeet", "mm.a.mlp.2.weight", kRows},
    {"phi4", "mm.2.weight", kRows},
    {"pixtral", "mm.2.weight", kRows},
    {"qwen2.5vl_merger", "mm.2.bias", kColumns},
    {"qwen2a", "mm.a.fc.weight", kRows},
    {"qwen2vl_merger", "mm.2.bias", kColumns},
    {"qwen3a", "mm.a.mlp.2.weight", kRows},
    {"qwen3vl_merger", "mm.2.bias", kColumns},
    {"resampler", "resampler.proj.weight", kColumns},
    {"step3vl", "mm.model.fc.weight", kRows},
    {"ultravox", "mm.a.mlp.2.weight", kRows},
    {"voxtral", "mm.a.mlp.2.weight", kRows},
    {"yasa2", "mm.2.weight", kRows},
    {"youtuvl", "mm.2.bias", kColumns},
});

// Models whose first layers take further parts of an image embedding, as many as their key n_deepstack_layers says.
// Models that can have an MTP head do not read that key.
constexpr auto kDeepstackArchitectures = std::to_array<std::string_view>({"qwen3vl", "qwen3vlmoe"});

// `encoder` is "vision" or "audio".
std::string type_of(const GgufFile& file, std::string_view encoder) {
  auto type = text_of(file, "clip.projector_type");
  if (type.empty()) {
    type = text_of(file, fmt::format("clip.{}.projector_type", encoder));
  }
  return std::string(type == "qwen2.5o" ? (encoder == "vision" ? "qwen2.5vl_merger" : "qwen2a") : type);
}

std::uint64_t count_deepstack_layers(const GgufFile& file) {
  return static_cast<std::uint64_t>(std::ranges::count_if(file.tensors, [](const TensorInfo& tensor) {
    return tensor.name.starts_with("v.deepstack.") && tensor.name.ends_with(".fc1.weight");
  }));
}

Result<std::uint64_t> width_of(const GgufFile& file, std::string_view type) {
  std::string obstacle = type.empty()
                             ? "it names no projector type"
                             : fmt::format("which tensor gives the width of projector type '{}' is not known", type);
  for (const auto& known : kWidthTensors) {
    if (known.type != type) {
      continue;
    }
    const auto* tensor = file.find_tensor(known.tensor);
    if (tensor == nullptr) {
      obstacle = fmt::format("it has no tensor '{}'", known.tensor);
      continue;
    }
    const auto deepstack_layers = type == "qwen3vl_merger" ? count_deepstack_layers(file) : 0;
    if (const auto width = checked_mul(tensor->shape[known.dimension], 1 + deepstack_layers)) {
      return *width;
    }
    obstacle = fmt::format("tensor '{}' is impossibly wide", known.tensor);
  }
  return Error{.code = ErrorCode::kUnsupported, .message = std::move(obstacle)};
}

}  // namespace

Result<Projector> read_projector(const GgufFile& file) {
  const auto is_clip_key = [](const KeyValue& item) { return item.key.starts_with("clip."); };
  if (std::ranges::none_of(file.keys, is_clip_key)) {
    const auto recognised = recognise(file, find_head(file));
    return Error{.code = ErrorCode::kUnsupported,
                 .message = fmt::format("not a projector: it has no clip.* keys; it is {}", recognised.what),
                 .path = file.path,
                 .hint = "projectors are called mmproj-*.gguf, and come with the model's GGUF",
                 .file_kind = recognised.kind};
  }
  Projector projector;
  projector.path = file.path;
  bool has_encoder = false;
  for (const std::string_view encoder : {"vision", "audio"}) {
    const auto* declared = file.find_key(fmt::format("clip.has_{}_encoder", encoder));
    if (declared == nullptr || declared->value.integer_at().value_or(0) == 0) {
      continue;
    }
    const auto type = type_of(file, encoder);
    const auto width = width_of(file, type);
    if (!has_encoder) {
      const auto* encoder_width = file.find_key(fmt::format("clip.{}.embedding_length", encoder));
      projector.encoder_width = encoder_width != nullptr ? encoder_width->value.unsigned_at() : std::nullopt;
    }
    projector.type += has_encoder ? ", " + type : type;
    if (!width.ok()) {
      projector.obstacle = width.error().message;
    } else if (projector.width && *projector.width != width.value()) {
      projector.obstacle =
          fmt::format("its encoders project to different widths, {} and {}", *projector.width, width.value());
    } else {
      projector.width = width.value();
    }
    has_encoder = true;
  }
  if (!has_encoder) {
    projector.obstacle = "neither clip.has_vision_encoder nor clip.has_audio_encoder is true";
  }
  if (!projector.obstacle.empty()) {
    projector.width.reset();
  }
  return projector;
}

ProjectorFit check_projector(const GgufFile& target, const Projector& projector) {
  ProjectorFit fit;
  fit.projector = projector;
  fit.embedding_length = hyper_parameter(target, "embedding_length");
  if (!projector.width) {
    fit.reason = projector.obstacle;
    return fit;
  }
  const auto architecture = target.architecture();
  if (!fit.embedding_length) {
    fit.reason = architecture.empty() ? "the target has no general.architecture"
                                      : fmt::format("the target has no key '{}.embedding_length'", architecture);
    return fit;
  }
  auto deepstack_layers = hyper_parameter(target, "n_deepstack_layers").value_or(0);
  if (deepstack_layers > 0 && std::ranges::count(kDeepstackArchitectures, architecture) == 0) {
    if (find_architecture(architecture).support == MtpSupport::kUnknown) {
      fit.reason = fmt::format("what '{}.n_deepstack_layers' means is not known", architecture);
      return fit;
    }
    deepstack_layers = 0;
  }
  fit.fits = projector.width == checked_mul(*fit.embedding_length, 1 + deepstack_layers);
  if (!*fit.fits) {
    fit.reason = fmt::format("projects to {}, embedding_length is {}", *projector.width, *fit.embedding_length);
    if (deepstack_layers > 0) {
      fit.reason += fmt::format(", {} deepstack layers take as much again each", deepstack_layers);
    }
  }
  return fit;
}

}  // namespace mtpgraft
