#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "donor/checkpoint.h"
#include "donor/config.h"
#include "donor/config_keys.h"
#include "donor/head_quantisation.h"
#include "donor/norm_offset.h"
#include "donor/quantisation_schemes.h"
#include "donor/stored_tensor.h"
#include "donor/transforms.h"
#include "gguf/foreign.h"
#include "gguf/format.h"
#include "gguf/serialize.h"
#include "io/composed_file.h"
#include "model/architectures.h"
#include "model/compatibility.h"
#include "model/mapping.h"
#include "mtpgraft/donor.h"
#include "util/checked.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::uint64_t kAlignment = 32;

Error incompatible(const Checkpoint& checkpoint, std::string message, std::string hint = {}) {
  return {.code = ErrorCode::kIncompatible,
          .message = std::move(message),
          .path = checkpoint.path(),
          .hint = std::move(hint)};
}

Error unknown_model(const Checkpoint& checkpoint, std::string message, std::string hint) {
  auto error = incompatible(checkpoint, std::move(message), std::move(hint));
  error.code = ErrorCode::kUnsupported;
  for (const auto& family : families()) {
    error.details.push_back(fmt::format("{}: {}", family.architecture, fmt::join(family.config_names, ", ")));
  }
  return error;
}

Result<const Family*> choose_family(const Checkpoint& checkpoint, std::string_view architecture) {
  if (checkpoint.config()) {
    if (const auto* unreadable = find_unreadable_family(*checkpoint.config())) {
      return Error{.code = ErrorCode::kUnsupported,
                   .message = fmt::format("config.json: the head of a {} cannot be read: {}",
                                          class_or_type(*checkpoint.config()), unreadable->why),
                   .path = checkpoint.path(),
                   .hint = std::string(unreadable->hint)};
    }
    const auto* family = find_family(*checkpoint.config());
    if (family == nullptr) {
      return unknown_model(checkpoint,
                           fmt::format("config.json: heads of model_type {} are unknown; known are",
                                       checkpoint.config()->value("model_type", nlohmann::json()).dump()),
                           "give the head as a GGUF");
    }
    return family;
  }
  const auto* family = family_of_architecture(architecture);
  if (family == nullptr) {
    return unknown_model(checkpoint,
                         architecture.empty()
                             ? "no config.json beside it tells what model it is; known are"
                             : fmt::format("heads of {} models are unknown as checkpoints; known are", architecture),
                         "put the model's config.json beside the file, or give the head as a GGUF");
  }
  return family;
}

Result<std::optional<std::uint64_t>> read_trunk_blocks(const Checkpoint& checkpoint) {
  if (!checkpoint.config()) {
    return std::optional<std::uint64_t>();
  }
  const auto blocks = count_trunk_layers(*checkpoint.config());
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
  auto error =
      declared > 0
          ? incompatible(
                checkpoint,
                fmt::format("config.json declares a head ({} = {}), but the checkpoint has none of its tensors",
                            family.count_key, declared),
                "fine-tunes that were saved by AutoModel have lost it; the base model's checkpoint has it")
          : incompatible(checkpoint,
                         fmt::format("the checkpoint has no MTP head (no tensors {})",
                                     family.layout == HeadLayout::kAppended ? "of layers after the last, with 'eh_proj'"
                                                                            : "'mtp.*'"),
                         "take the head from the checkpoint or GGUF of a model that has one");
  error.headless = declared > 0 ? Headless::kLost : Headless::kNever;
  return error;
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

using FileOfTensor = std::map<std::string, std::string>::value_type;

template <class Items, class Name>
std::vector<std::string_view> names_of(const Items& items, Name name) {
  std::vector<std::string_view> names;
  std::ranges::transform(items, std::back_inserter(names), name);
  return names;
}

Result<std::vector<HeadTensorSource>> map_head(const Checkpoint& checkpoint, const Family& family,
                                               std::optional<std::uint64_t> trunk_blocks) {
  const auto weights = find_weights(names_of(checkpoint.files_of_tensors(), &FileOfTensor::first));
  auto sources = map_head(family, weights, trunk_blocks);
  if (!sources.ok()) {
    sources.error().path = checkpoint.path();
  }
  return sources;
}

// The head of a checkpoint that may be where its index does not look.
Result<std::vector<HeadTensorSource>> find_sources(Checkpoint& checkpoint, const Family& family,
                                                   std::optional<std::uint64_t> trunk_blocks,
                                                   std::vector<std::string>& notes) {
  MTPGRAFT_TRY(auto sources, map_head(checkpoint, family, trunk_blocks));
  const auto described_by = checkpoint.described_by();
  if (!sources.empty() && !described_by.empty()) {
    return sources;
  }
  if (!described_by.empty()) {
    MTPGRAFT_CHECK(checkpoint.add_files_beside());
    MTPGRAFT_TRY(sources, map_head(checkpoint, family, trunk_blocks));
  }
  const auto& [files_without_index, second_places, unreadable] = checkpoint.beside();
  if (sources.empty()) {
    return unreadable.empty() ? no_head(checkpoint, family) : unreadable.front();
  }
  std::set<std::string> files;
  for (const auto& source : sources) {
    const auto& file = file_of_weight(checkpoint, source.name);
    if (const auto second = second_places.find(source.name); second != second_places.end()) {
      return Error{.code = ErrorCode::kUsage,
                   .message = fmt::format("'{}' is in two files, and no index says which is meant: {} and {}",
                                          source.name, base_name(file), base_name(second->second)),
                   .path = checkpoint.path(),
                   .hint = "name the one file as the donor: " + file};
    }
    files.insert(base_name(file));
  }
  notes.push_back(fmt::format("the head is in {}; {}", list_some({files.begin(), files.end()}, " and "),
                              described_by.empty() ? "the folder has no index" : described_by + " has none"));
  for (const auto& error : unreadable) {
    notes.push_back(fmt::format("{} was left out: {}", base_name(error.path), error.message));
  }
  return sources;
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

// In the order of the GGUF that they come from. Others follow, as they are.
void sort_as_described(const HeadDescription& description, std::uint64_t first_block,
                       std::vector<MadeTensor>& tensors) {
  const auto place = [&](const MadeTensor& tensor) {
    return std::ranges::find(description.tensors, name_in_head(tensor.info.name, first_block)) -
           description.tensors.begin();
  };
  std::ranges::stable_sort(tensors, {}, place);
}

// What the head's file says of it; nothing of one that is quantised, as none that was extracted is.
Result<std::optional<HeadDescription>> describe_head(Checkpoint& checkpoint,
                                                     const std::vector<HeadTensorSource>& sources) {
  const auto& files = checkpoint.files_of_tensors();
  const auto is_stored = [&](const HeadTensorSource& source) { return files.contains(source.name); };
  if (!std::ranges::all_of(sources, is_stored)) {
    return std::optional<HeadDescription>();
  }
  MTPGRAFT_CHECK(checkpoint.find(sources.front().name));  // opens its file
  return checkpoint.describe(names_of(sources, &HeadTensorSource::name));
}

// The same of all tensors, in the place of config.json.
std::optional<HeadDescription> describe_alone(const Checkpoint& checkpoint) {
  return checkpoint.config() ? std::nullopt
                             : checkpoint.describe(names_of(checkpoint.files_of_tensors(), &FileOfTensor::first));
}

void complete(HeadConfig& config, const HeadSizes& sizes) {
  const auto fill = [](std::uint64_t& size, std::uint64_t told) { size = size == 0 ? told : size; };
  fill(config.latent_heads, sizes.latent_heads);
  fill(config.unrotated_key_width, sizes.unrotated_key_width);
  fill(config.value_width, sizes.value_width);
  fill(config.head_width, sizes.head_width);
  fill(config.indexer_query_rows, sizes.indexer_query_rows);
}

// What config.json says; without it what the head says of itself, else what the target's keys say.
Result<HeadConfig> read_sizes(Checkpoint& checkpoint, const Family& family, const std::optional<HeadDescription>& alone,
                              const CheckpointOptions& options) {
  auto config = checkpoint.config() ? read_head_config(family, *checkpoint.config()) : HeadConfig();
  if (alone) {
    complete(config, read_head_sizes(alone->model));
  }
  if (!checkpoint.config()) {
    complete(config, options.head_sizes);
  }
  MTPGRAFT_TRY(config.quantisation, checkpoint.read_quantisation());
  config.dequantises_to_f32 = options.is_converted;
  return config;
}

Result<std::vector<MadeTensor>> make_all(Checkpoint& checkpoint, const HeadTensorGroups& groups,
                                         const HeadConfig& config, CheckpointHead& head) {
  head.quantisation.declared = config.quantisation.name();
  std::vector<MadeTensor> tensors;
  for (const auto& [name, group] : groups) {
    std::vector<StoredTensor> found;
    for (const auto& [part, source] : group.sources) {
      MTPGRAFT_TRY(found.emplace_back(), find_stored(checkpoint, source, config.quantisation));
      count_tensor(found.back(), config.quantisation, head.quantisation);
    }
    MTPGRAFT_TRY(auto made, make_tensors(name, group.transform, std::move(found), head.norm_offset, config));
    std::ranges::move(made, std::back_inserter(tensors));
  }
  note_quantisation(head.quantisation, head.notes);
  return tensors;
}

}  // namespace

HeadSizes read_head_sizes(const GgufFile& model) {
  const auto number = [&](std::string_view key) { return hyper_parameter(model, key).value_or(0); };
  const auto rank = number("attention.kv_lora_rank");
  const auto key = number("attention.key_length");
  HeadSizes sizes{.indexer_query_rows =
                      number("attention.indexer.head_count") * number("attention.indexer.key_length")};
  if (rank == 0) {
    sizes.head_width = key;
    return sizes;
  }
  // What all heads share is the latent and the rotated part; each has another and the rotated part.
  const auto own_key = number("attention.key_length_mla");
  if (key >= rank && own_key > key - rank) {
    sizes.latent_heads = number("attention.head_count");
    sizes.unrotated_key_width = own_key - (key - rank);
    sizes.value_width = number("attention.value_length_mla");
  }
  return sizes;
}

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
  const auto alone = describe_alone(checkpoint);
  MTPGRAFT_TRY(const auto* family,
               choose_family(checkpoint, alone ? alone->model.architecture() : options.architecture));
  MTPGRAFT_TRY(auto trunk_blocks, read_trunk_blocks(checkpoint));
  if (alone) {
    trunk_blocks = alone->first_block;
  }
  CheckpointHead head;
  MTPGRAFT_TRY(const auto sources, find_sources(checkpoint, *family, trunk_blocks, head.notes));
  const auto last = std::ranges::max_element(sources, {}, &HeadTensorSource::block);
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
  const bool shares_layers = checkpoint.config() && config_flag(*checkpoint.config(), family->shared_layer_key);
  const auto groups =
      group_sources(repeat_shared(*family, shares_layers, head_blocks, sources), trunk_blocks.value_or(0));
  if (!groups.ok()) {
    auto error = groups.error();
    error.path = checkpoint.path();
    return error;
  }
  MTPGRAFT_TRY(const auto described, describe_head(checkpoint, sources));
  MTPGRAFT_TRY(head.norm_offset,
               choose_norm_offset(checkpoint, groups.value(), *family, options,
                                  described ? std::optional(described->norm_offset) : std::nullopt, head.notes));
  head.quantisation.earlier = described ? described->dequantized : decltype(head.quantisation.earlier)();
  MTPGRAFT_TRY(auto config, read_sizes(checkpoint, *family, alone, options));
  if (described) {
    keep_types(*described, groups.value(), trunk_blocks.value_or(0), config);
  }
  MTPGRAFT_TRY(auto tensors, make_all(checkpoint, groups.value(), config, head));
  if (described) {
    sort_as_described(*described, trunk_blocks.value_or(0), tensors);
  }
  std::vector<Bytes> keys{serialize_key("general.architecture", string_value(family->architecture))};
  if (alone) {
    add_keys(alone->model, keys);
  } else if (trunk_blocks) {
    std::ranges::move(make_keys(*family, *checkpoint.config(), *trunk_blocks, head_blocks), std::back_inserter(keys));
  }
  MTPGRAFT_TRY(head.file, compose(checkpoint, keys, tensors));
  return head;
}

}  // namespace mtpgraft
