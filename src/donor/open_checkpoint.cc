#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "donor/checkpoint.h"
#include "donor/config.h"
#include "donor/mapping.h"
#include "donor/tensor_reader.h"
#include "donor/transforms.h"
#include "gguf/foreign.h"
#include "gguf/format.h"
#include "gguf/serialize.h"
#include "gguf/tensor_types.h"
#include "model/architectures.h"
#include "model/norms.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/remote.h"
#include "util/checked.h"

namespace mtpgraft {
namespace {

constexpr std::uint64_t kAlignment = 32;

// Sums of offsets below it cannot overflow.
constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 62;

// Far above any norm.
constexpr std::uint64_t kNormElementsMax = std::uint64_t{1} << 20;

Error incompatible(const Checkpoint& checkpoint, std::string message, std::string hint = {}) {
  return {.code = ErrorCode::kIncompatible,
          .message = std::move(message),
          .path = checkpoint.path(),
          .hint = std::move(hint)};
}

Error unknown_model(const Checkpoint& checkpoint, std::string message, std::string hint) {
  Error error{.code = ErrorCode::kUnsupported,
              .message = std::move(message),
              .path = checkpoint.path(),
              .hint = std::move(hint)};
  for (const auto& family : families()) {
    error.details.push_back(fmt::format("{}: {}", family.architecture, fmt::join(family.config_names, ", ")));
  }
  return error;
}

Result<const Family*> choose_family(const Checkpoint& checkpoint, const std::string& architecture) {
  if (checkpoint.config()) {
    const auto* family = find_family(*checkpoint.config());
    if (family == nullptr) {
      return unknown_model(checkpoint,
                           fmt::format("config.json: heads of model_type {} are unknown; known are",
                                       checkpoint.config()->value("model_type", nlohmann::json()).dump()),
                           "give the head as a GGUF");
    }
    return family;
  }
  const auto found = std::ranges::find(families(), architecture, &Family::architecture);
  if (found == families().end()) {
    return unknown_model(checkpoint,
                         architecture.empty()
                             ? "no config.json beside it tells what model it is; known are"
                             : fmt::format("heads of {} models are unknown as checkpoints; known are", architecture),
                         "put the model's config.json beside the file, or give the head as a GGUF");
  }
  return &*found;
}

Result<std::optional<std::uint64_t>> read_trunk_blocks(const Checkpoint& checkpoint) {
  if (!checkpoint.config()) {
    return std::optional<std::uint64_t>();
  }
  const auto blocks = config_count(*checkpoint.config(), {"n_layers", "num_hidden_layers", "n_layer", "num_layers"});
  if (!blocks || *blocks > kBlocksMax) {
    return Error{.code = ErrorCode::kMalformed,
                 .message = fmt::format("config.json: num_hidden_layers is no number up to {}", kBlocksMax),
                 .path = checkpoint.path()};
  }
  return blocks;
}

std::optional<std::uint64_t> declared_blocks(const Checkpoint& checkpoint, const Family& family) {
  return checkpoint.config() && !family.count_key.empty() ? config_count(*checkpoint.config(), {family.count_key})
                                                          : std::nullopt;
}

Error no_head(const Checkpoint& checkpoint, const Family& family) {
  const auto declared = declared_blocks(checkpoint, family).value_or(0);
  if (declared > 0) {
    return incompatible(checkpoint,
                        fmt::format("config.json declares a head ({} = {}), but the checkpoint has none of its tensors",
                                    family.count_key, declared),
                        "fine-tunes that were saved by AutoModel have lost it; the base model's checkpoint has it");
  }
  return incompatible(checkpoint,
                      fmt::format("the checkpoint has no MTP head (no tensors {})",
                                  family.is_appended ? "of layers after the last, with 'eh_proj'" : "'mtp.*'"),
                      "take the head from the checkpoint or GGUF of a model that has one");
}

// As PEFT writes them.
Status refuse_adapter(const Checkpoint& checkpoint) {
  const bool is_adapter = std::ranges::any_of(checkpoint.files_of_tensors(), [](const auto& item) {
    return item.first.find(".lora_A.") != std::string::npos || item.first.find(".lora_B.") != std::string::npos;
  });
  if (!is_adapter) {
    return ok_status();
  }
  auto error = incompatible(checkpoint, "is a LoRA adapter (PEFT)", kAdapterAdvice);
  error.file_kind = FileKind::kAdapter;
  return error;
}

// One tensor of the GGUF, or the first of those that a transform makes of one of the checkpoint.
struct HeadTensorGroup {
  Transform transform = Transform::kNone;
  std::map<std::uint64_t, std::string> sources;  // by part
};

using HeadTensorGroups = std::map<std::string, HeadTensorGroup>;  // by name in the GGUF

Result<HeadTensorGroups> group_sources(const Checkpoint& checkpoint, const std::vector<HeadTensorSource>& sources,
                                       std::uint64_t first_block) {
  HeadTensorGroups groups;
  for (const auto& source : sources) {
    const auto name = fmt::format("blk.{}.{}", first_block + source.block, source.gguf_name);
    auto& group = groups[name];
    const auto is_new = group.sources.emplace(source.part, source.name).second;
    if (!is_new || (group.sources.size() > 1 && group.transform != source.transform)) {
      return Error{.code = ErrorCode::kMalformed,
                   .message = fmt::format("'{}' and another tensor are both '{}'", source.name, name),
                   .path = checkpoint.path()};
    }
    group.transform = source.transform;
  }
  for (const auto& [name, group] : groups) {
    if (group.sources.rbegin()->first != group.sources.size() - 1) {
      return incompatible(checkpoint, fmt::format("'{}': of {} 0 to {} only {} have a tensor", name,
                                                  group.transform == Transform::kStackExperts ? "experts" : "parts",
                                                  group.sources.rbegin()->first, group.sources.size()));
    }
  }
  return groups;
}

Result<ScaledTensor> find_scaled(Checkpoint& checkpoint, const std::string& name) {
  ScaledTensor tensor;
  MTPGRAFT_TRY(tensor.values, checkpoint.find(name));
  const auto scales = name + "_scale_inv";
  if (checkpoint.files_of_tensors().contains(scales)) {
    MTPGRAFT_TRY(tensor.scales, checkpoint.find(scales));
  }
  return tensor;
}

Result<std::vector<NormMean>> read_norm_means(Checkpoint& checkpoint, const HeadTensorGroups& groups) {
  std::vector<CheckpointTensor> tensors;
  std::vector<NormMean> means;
  ComposedFile norms_alone(checkpoint.path());
  for (const auto& [name, group] : groups) {
    if (!is_norm(name)) {
      continue;
    }
    MTPGRAFT_TRY(auto tensor, checkpoint.find(group.sources.begin()->second));
    if (tensor.shape.size() == 1 && tensor.shape[0] <= kNormElementsMax && is_plain_float(tensor.dtype)) {
      norms_alone.add_range(tensor.file, {tensor.offset, tensor.size_bytes});
      tensors.push_back(std::move(tensor));
      means.push_back({name, 0});
    }
  }
  MTPGRAFT_CHECK(fetch(norms_alone, {{{0, norms_alone.size()}}}));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::vector<float> values(tensors[i].shape[0]);
    MTPGRAFT_CHECK(TensorReader(tensors[i], std::nullopt, tensor_type::kF32, 0)
                       .read(0, std::as_writable_bytes(std::span(values))));
    means[i].mean = mean_of(values).value_or(0);
  }
  return means;
}

// "self_attn.q_norm.weight" of "model.layers.7.self_attn.q_norm.weight"; empty for what is of no layer.
std::string_view name_in_layer(std::string_view name) {
  constexpr std::string_view kLayers = "layers.";
  const auto layers = name.rfind(kLayers);
  const auto dot = layers != std::string_view::npos ? name.find('.', layers + kLayers.size()) : layers;
  return dot != std::string_view::npos ? name.substr(dot + 1) : "";
}

// The trunk's norms as far as the checkpoint has them here, in the convention of a GGUF. Published checkpoints have
// them without the 1. Whatever cannot be read is left out: of the trunk nothing is needed.
std::vector<TrunkNorm> read_own_trunk(Checkpoint& checkpoint, const HeadTensorGroups& groups) {
  if (is_remote(checkpoint.path())) {
    return {};
  }
  std::map<std::string_view, std::string_view> gguf_names;  // by the name in a layer
  std::set<std::string_view> head_names;
  for (const auto& [name, group] : groups) {
    for (const auto& [part, source] : group.sources) {
      head_names.insert(source);
    }
    if (is_norm(name)) {
      gguf_names[name_in_layer(group.sources.begin()->second)] = split_block_name(name)->name;
    }
  }
  std::vector<TrunkNorm> trunk;
  for (const auto& [name, file] : checkpoint.files_of_tensors()) {
    const auto found = gguf_names.find(name_in_layer(name));
    const auto gguf_name = name.ends_with("model.norm.weight")                         ? kOutputNormName
                           : !name_in_layer(name).empty() && found != gguf_names.end() ? found->second
                                                                                       : "";
    if (gguf_name.empty() || head_names.contains(name)) {
      continue;
    }
    const auto tensor = checkpoint.find(name);
    if (tensor.ok() && tensor.value().shape.size() == 1 && tensor.value().shape[0] <= kNormElementsMax &&
        is_plain_float(tensor.value().dtype)) {
      std::vector<float> values(tensor.value().shape[0]);
      const TensorReader reader(tensor.value(), std::nullopt, tensor_type::kF32, 1);
      if (reader.read(0, std::as_writable_bytes(std::span(values))).ok()) {
        add_trunk_norm(trunk, gguf_name, values);
      }
    }
  }
  return trunk;
}

Result<int> choose_norm_offset(Checkpoint& checkpoint, const HeadTensorGroups& groups, const Family& family,
                               const CheckpointOptions& options, std::vector<std::string>& notes) {
  if (options.norm_offset) {
    return *options.norm_offset;
  }
  if (!find_architecture(family.architecture).norms_are_shifted) {
    return 0;
  }
  MTPGRAFT_TRY(const auto means, read_norm_means(checkpoint, groups));
  const auto median = median_of_means(means);
  if (!median) {
    return 1;
  }
  const auto judged =
      judge_norms(means, options.trunk_norms.empty() ? read_own_trunk(checkpoint, groups) : options.trunk_norms);
  if (judged.verdict != NormVerdict::kRaw && judged.verdict != NormVerdict::kRight) {
    const auto* const what = judged.verdict == NormVerdict::kMixed     ? "they are not all alike, and this"
                             : judged.verdict == NormVerdict::kDoubled ? "that is 1 too many, and it"
                                                                       : "this";
    auto error = incompatible(
        checkpoint, fmt::format("the norm weights have a mean of about {:.2f}: {} does not tell whether they are the "
                                "checkpoint's own (about 0) or have the 1 that llama.cpp expects (about 1)",
                                *median, what));
    error.remedy = Remedy::kSayNormOffset;
    for (const auto& norm : judged.norms) {
      error.details.push_back(describe_norm(norm));
    }
    return error;
  }
  const int offset = judged.verdict == NormVerdict::kRaw ? 1 : 0;
  notes.push_back(offset == 1 ? fmt::format("norm weights have a mean of about {:.2f}: 1 is added", *median)
                              : fmt::format("norm weights have a mean of about {:.2f}: the 1 is in them", *median));
  return offset;
}

Result<std::shared_ptr<const ReadableFile>> compose(const Checkpoint& checkpoint, const std::vector<Bytes>& keys,
                                                    std::vector<MadeTensor>& tensors) {
  auto header = serialize_counts(3, tensors.size(), keys.size());
  for (const auto& key : keys) {
    append_bytes(header, key.data(), key.size());
  }
  std::uint64_t offset = 0;
  for (auto& tensor : tensors) {
    tensor.info.offset = offset;
    const auto info = serialize_tensor_info(tensor.info, 0);
    append_bytes(header, info.data(), info.size());
    const auto end = checked_add(offset, tensor.info.size_bytes);
    const auto next = end ? checked_align_up(*end, kAlignment) : std::nullopt;
    if (!next || *next > kBytesMax) {
      return Error{
          .code = ErrorCode::kUnsupported, .message = "the head is too large for any file", .path = checkpoint.path()};
    }
    offset = *next;
  }
  auto file = std::make_shared<ComposedFile>(checkpoint.path());
  // None of their bytes, but they are inputs all the same: no output may replace them.
  for (const auto& input : checkpoint.files()) {
    file->add_range(input, {0, 0});
  }
  file->add_bytes(std::move(header));
  for (const auto& tensor : tensors) {
    file->pad_to(kAlignment);
    tensor.add_data(*file);
  }
  file->pad_to(kAlignment);
  return std::shared_ptr<const ReadableFile>(std::move(file));
}

}  // namespace

bool is_checkpoint(const std::string& path, const FileSource& files) {
  return path.ends_with(".safetensors") || files.is_folder(path);
}

Result<CheckpointHead> open_checkpoint(const std::string& path, const CheckpointOptions& options, FileSource& files) {
  if (options.norm_offset && *options.norm_offset != 0 && *options.norm_offset != 1) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("{}: must be 0 or 1", *options.norm_offset),
                 .field = RequestField::kNormOffset};
  }
  MTPGRAFT_TRY(auto checkpoint, Checkpoint::open(path, files));
  MTPGRAFT_CHECK(refuse_adapter(checkpoint));
  MTPGRAFT_TRY(const auto* family, choose_family(checkpoint, options.architecture));
  MTPGRAFT_TRY(const auto trunk_blocks, read_trunk_blocks(checkpoint));
  std::vector<std::string> names;
  for (const auto& [name, file] : checkpoint.files_of_tensors()) {
    names.push_back(name);
  }
  auto sources = map_head(*family, names, trunk_blocks);
  if (!sources.ok()) {
    sources.error().path = path;
    return std::move(sources.error());
  }
  if (sources.value().empty()) {
    return no_head(checkpoint, *family);
  }
  CheckpointHead head;
  const auto last = std::ranges::max_element(sources.value(), {}, &HeadTensorSource::block);
  const auto declared = declared_blocks(checkpoint, *family).value_or(0);
  const auto head_blocks = declared > 0 ? declared : last->block + 1;
  if (last->block >= head_blocks || head_blocks + trunk_blocks.value_or(0) > kBlocksMax) {
    return incompatible(checkpoint,
                        fmt::format("config.json declares a head of {} blocks after {}, and tensor '{}' is of "
                                    "block {} of it",
                                    head_blocks, trunk_blocks.value_or(0), last->name, last->block));
  }
  if (checkpoint.config() && declared == 0 && !family->count_key.empty()) {
    head.notes.push_back(
        fmt::format("config.json does not tell {}: the tensors make it {}", family->count_key, head_blocks));
  }
  MTPGRAFT_TRY(const auto groups, group_sources(checkpoint, sources.value(), trunk_blocks.value_or(0)));
  MTPGRAFT_TRY(head.norm_offset, choose_norm_offset(checkpoint, groups, *family, options, head.notes));
  const auto config = checkpoint.config() ? read_head_config(*checkpoint.config()) : HeadConfig();
  std::vector<MadeTensor> tensors;
  for (const auto& [name, group] : groups) {
    std::vector<ScaledTensor> found;
    for (const auto& [part, source] : group.sources) {
      MTPGRAFT_TRY(found.emplace_back(), find_scaled(checkpoint, source));
    }
    MTPGRAFT_TRY(auto made, make_tensors(name, group.transform, std::move(found), head.norm_offset, config));
    std::ranges::move(made, std::back_inserter(tensors));
  }
  std::vector<Bytes> keys{serialize_key("general.architecture", string_value(family->architecture))};
  if (trunk_blocks) {
    std::ranges::move(make_keys(*family, *checkpoint.config(), *trunk_blocks, head_blocks), std::back_inserter(keys));
  }
  MTPGRAFT_TRY(head.file, compose(checkpoint, keys, tensors));
  return head;
}

}  // namespace mtpgraft
