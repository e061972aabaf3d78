#include "model/dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <span>

#include "gguf/tensor_types.h"
#include "model/checkpoint_names.h"
#include "model/standard_keys.h"

namespace mtpgraft {
namespace {

// Names without ".weight". Those that stand for one tensor are its parts, in this order.
struct Alias {
  std::string_view name;
  std::string_view standard;  // after "blk.N."
};

constexpr auto kFcEmbd = std::to_array<Alias>({{"nextn.fc_embd", "nextn.eh_proj"},
                                               {"nextn.fc_hidden", "nextn.eh_proj"},
                                               {"nextn.hc_norm", "nextn.hc_head_norm"},
                                               {"nextn.hc_down", "nextn.hc_head_down"},
                                               {"nextn.hc_up", "nextn.hc_head_up"}});

constexpr auto kEProj = std::to_array<Alias>({{"nextn.e_proj", "nextn.eh_proj"}, {"nextn.h_proj", "nextn.eh_proj"}});

constexpr auto kOutputMixer = std::to_array<Alias>({{"output_hc_norm", "nextn.hc_head_norm"},
                                                    {"output_hc_down", "nextn.hc_head_down"},
                                                    {"output_hc_up", "nextn.hc_head_up"}});

constexpr auto kIk = std::to_array<Alias>({{"mtp.fc_embd", "nextn.eh_proj"},
                                           {"mtp.fc_hidden", "nextn.eh_proj"},
                                           {"mtp.pre_norm_embd", "nextn.enorm"},
                                           {"mtp.pre_norm_hidden", "nextn.hnorm"},
                                           {"mtp.mixer_norm", "nextn.hc_head_norm"},
                                           {"mtp.mixer_down", "nextn.hc_head_down"},
                                           {"mtp.mixer_up", "nextn.hc_head_up"}});

constexpr auto kCheckpoint = std::to_array<Alias>({{"mtp.fc_embedding", "nextn.eh_proj"},
                                                   {"mtp.fc_hidden", "nextn.eh_proj"},
                                                   {"mtp.pre_fc_norm_embedding", "nextn.enorm"},
                                                   {"mtp.pre_fc_norm_hidden", "nextn.hnorm"},
                                                   {"mtp.hc_norm", "nextn.hc_head_norm"},
                                                   {"mtp.hc_down", "nextn.hc_head_down"},
                                                   {"mtp.hc_up", "nextn.hc_head_up"}});

enum class Place : std::uint8_t {
  kBlock,        // blk.N.NAME
  kRoot,         // NAME; the first name tells the dialect
  kSidecarRoot,  // NAME, all of them, where there is no trunk whose tensors they could be
  kAnywhere,     // recognised by a function of its own
};

struct Entry {
  Dialect dialect;
  Place place;
  std::span<const Alias> aliases{};
};

constexpr std::string_view kCheckpointNamesId = "checkpoint";
constexpr std::string_view kMtpArchitectureId = "mtp-architecture";
constexpr std::string_view kTrimmedVocabularyId = "trimmed-vocabulary";

constexpr auto kEntries = std::to_array<Entry>({
    {{"fc-embd", "the forks of drluoto and mihailescu2m",
      "nextn.fc_embd and nextn.fc_hidden become nextn.eh_proj, nextn.hc_* becomes nextn.hc_head_*"},
     Place::kBlock,
     kFcEmbd},
    {{"e-proj", "early DeepSeek-V4 conversions", "nextn.e_proj and nextn.h_proj become nextn.eh_proj"},
     Place::kBlock,
     kEProj},
    {{"output-hc", "older Qwen3.8-Flash-Next sidecars", "output_hc_* becomes the head's nextn.hc_head_*"},
     Place::kSidecarRoot,
     kOutputMixer},
    {{"ik-mtp", "ik_llama.cpp before its #2369 was merged",
      "mtp.* becomes nextn.*, with mtp.fc_embd and mtp.fc_hidden joined"},
     Place::kRoot,
     kIk},
    {{"hf-mtp", "the checkpoint", "mtp.* becomes nextn.*, with mtp.fc_embedding and mtp.fc_hidden joined"},
     Place::kRoot,
     kCheckpoint},
    {{kCheckpointNamesId, "a checkpoint", "they become llama.cpp's, experts are stacked"}, Place::kAnywhere},
    {{kMtpArchitectureId, "the first fork that drafted", "general.architecture is read without its _mtp"},
     Place::kAnywhere},
    {{kTrimmedVocabularyId, "FR-Spec and FastMTP heads", ""}, Place::kAnywhere},
});

constexpr std::string_view kWeight = ".weight";

// "mtp.fc_embd.weight" -> "mtp.fc_embd", ".weight".
std::pair<std::string_view, std::string_view> split_suffix(std::string_view name) {
  const auto dot = std::min(name.rfind('.'), name.size());
  return {name.substr(0, dot), name.substr(dot)};
}

// The block that names without a number belong to: the one that the keys declare, else the only one that there is.
std::optional<std::uint64_t> find_head_block(const GgufFile& file) {
  const auto depth = read_depth(file);
  if (depth.block_count && depth.nextn_predict_layers.value_or(0) > 0) {
    return depth.trunk_blocks;
  }
  std::optional<std::uint64_t> only;
  for (const auto& tensor : file.tensors) {
    const auto split = split_block_name(tensor.name);
    if (split && only && *only != split->block) {
      return std::nullopt;
    }
    only = split ? split->block : only;
  }
  return only;
}

bool has_tensor_in_blocks(const GgufFile& file, const auto& is_wanted) {
  return std::ranges::any_of(file.tensors, [&](const TensorInfo& tensor) {
    const auto split = split_block_name(tensor.name);
    return split && is_wanted(*split);
  });
}

bool has_weight(const GgufFile& file, const Alias& alias) {
  return file.find_tensor(std::string(alias.name).append(kWeight)) != nullptr;
}

bool has_mixer_at_root(const GgufFile& file, const Entry& entry) {
  return std::ranges::any_of(entry.aliases, [&](const Alias& alias) {
    return alias.standard.starts_with("nextn.hc_") && has_weight(file, alias);
  });
}

// A sidecar that has no mixer of its own but that; beside one it is the model's.
bool has_only_root_mixer(const GgufFile& file, const Entry& entry, std::uint64_t head_block) {
  const auto is_of_other = [&](const BlockTensorName& name) {
    return name.block < head_block || name.name.starts_with("nextn.hc_");
  };
  const auto is_mixer_of_other = [&](const Entry& other) {
    return other.place == Place::kRoot && has_mixer_at_root(file, other);
  };
  return std::ranges::all_of(entry.aliases, [&](const Alias& alias) { return has_weight(file, alias); }) &&
         !has_tensor_in_blocks(file, is_of_other) && std::ranges::none_of(kEntries, is_mixer_of_other);
}

bool is_spoken(const GgufFile& file, const Entry& entry, std::optional<std::uint64_t> head_block) {
  switch (entry.place) {
    case Place::kBlock:
      return has_tensor_in_blocks(file, [&](const BlockTensorName& name) {
        return std::ranges::find(entry.aliases, split_suffix(name.name).first, &Alias::name) != entry.aliases.end();
      });
    case Place::kRoot:
      return head_block && has_weight(file, entry.aliases.front());
    case Place::kSidecarRoot:
      return head_block && has_only_root_mixer(file, entry, *head_block);
    case Place::kAnywhere:
      break;
  }
  return false;
}

// What a tensor is called in llama.cpp, and which of its parts it is there.
struct StandardName {
  std::string name;
  std::size_t part = 0;
  std::size_t part_count = 1;
};

StandardName standard_name(std::string_view name, const std::vector<const Entry*>& spoken, std::uint64_t head_block) {
  const auto split = split_block_name(name);
  const auto [stem, suffix] = split_suffix(split ? split->name : name);
  for (const auto* entry : spoken) {
    const auto alias = std::ranges::find(entry->aliases, stem, &Alias::name);
    if (alias == entry->aliases.end() || (entry->place == Place::kBlock) != split.has_value()) {
      continue;
    }
    const auto is_same = [&](const Alias& other) { return other.standard == alias->standard; };
    return {fmt::format("blk.{}.{}{}", split ? split->block : head_block, alias->standard, suffix),
            static_cast<std::size_t>(std::count_if(entry->aliases.begin(), alias, is_same)),
            static_cast<std::size_t>(std::ranges::count_if(entry->aliases, is_same))};
  }
  return {std::string(name)};
}

// Why rows of the two cannot stand one after the other as bytes; empty if they can.
std::string find_join_problem(const TensorInfo& first, const TensorInfo& second) {
  if (first.type != second.type || first.shape != second.shape || first.n_dims != 2 || second.n_dims != 2) {
    return fmt::format("'{}' is {} [{}] and '{}' is {} [{}]: their rows cannot be joined", first.name,
                       tensor_type_name(first.type), fmt::join(first.shape, ", "), second.name,
                       tensor_type_name(second.type), fmt::join(second.shape, ", "));
  }
  if (!has_whole_rows(first) || first.size_bytes != second.size_bytes) {
    return fmt::format("'{}' has rows of {} values of type {}, which are no whole blocks that can be joined",
                       first.name, first.shape[0], tensor_type_name(first.type));
  }
  return {};
}

constexpr auto kNoTensor = SIZE_MAX;

// Gives a tensor of several parts its shape. Returns why that is impossible, or nothing.
std::string join(const GgufFile& file, StandardTensor& joined) {
  auto& info = joined.info;
  const auto& pieces = joined.pieces;
  const auto is_missing = [](const TensorPiece& piece) { return piece.tensor == kNoTensor; };
  if (std::ranges::any_of(pieces, is_missing)) {
    const auto present = std::ranges::find_if_not(pieces, is_missing);
    return fmt::format("'{}' is a part of '{}', the other is missing", file.tensors[present->tensor].name, info.name);
  }
  const auto& first = file.tensors[pieces.front().tensor];
  auto name = std::move(info.name);
  info = first;
  info.name = std::move(name);
  for (const auto& piece : std::span(pieces).subspan(1)) {
    const auto& other = file.tensors[piece.tensor];
    if (auto problem = find_join_problem(first, other); !problem.empty()) {
      return problem;
    }
    info.shape[0] += other.shape[0];
    info.size_bytes += other.size_bytes;
  }
  return {};
}

// All tensors of the file; what the checkpoint's names stand for is in the place of its first part.
void add_tensors(const GgufFile& file, const std::vector<const Entry*>& spoken, CheckpointNames& checkpoint,
                 Translation& translation) {
  const auto head_block = find_head_block(file).value_or(0);
  std::vector<bool> is_taken(file.tensors.size());
  std::map<std::string, std::size_t> places;
  auto& tensors = translation.tensors;
  const auto place_of = [&](const std::string& name) { return places.try_emplace(name, tensors.size()); };
  for (auto& tensor : checkpoint.tensors) {
    for (const auto& piece : tensor.pieces) {
      is_taken[piece.tensor] = true;
    }
  }
  auto next = checkpoint.tensors.begin();
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    for (; next != checkpoint.tensors.end() && next->pieces.front().tensor == i; ++next) {
      if (!place_of(next->info.name).second) {
        translation.problems.push_back(
            fmt::format("'{}' stands for '{}', of which there is another", file.tensors[i].name, next->info.name));
      }
      tensors.push_back(std::move(*next));
    }
    if (is_taken[i]) {
      continue;
    }
    const auto& tensor = file.tensors[i];
    const auto [name, part, part_count] = standard_name(tensor.name, spoken, head_block);
    if (name != tensor.name && !name.ends_with(kWeight)) {
      translation.problems.push_back(
          fmt::format("'{}' belongs to no tensor that llama.cpp has a name for", tensor.name));
      continue;
    }
    const auto [place, is_new] = place_of(name);
    if (is_new) {
      tensors.push_back({tensor, std::vector<TensorPiece>(part_count, TensorPiece{kNoTensor})});
      tensors.back().info.name = name;
      tensors.back().joins_rows = part_count > 1;
    }
    auto& pieces = tensors[place->second].pieces;
    if (pieces.size() != part_count || pieces[part].tensor != kNoTensor) {
      translation.problems.push_back(fmt::format("'{}' stands for '{}', of which there is another", tensor.name, name));
    } else {
      pieces[part] = {i, 0, tensor.size_bytes};
    }
  }
}

}  // namespace

bool has_whole_rows(const TensorInfo& tensor) {
  const auto* type = find_tensor_type(tensor.type);
  return is_upstream_tensor_type(tensor.type) && type->row_bytes == 0 && tensor.shape[0] % type->block_elements == 0 &&
         tensor_bytes(*type, tensor.shape) == tensor.size_bytes;
}

const Dialect* find_dialect(std::string_view id) {
  const auto found = std::ranges::find(kEntries, id, [](const Entry& entry) { return entry.dialect.id; });
  return found != kEntries.end() ? &found->dialect : nullptr;
}

Translation find_translation(const GgufFile& stored) {
  Translation translation;
  auto renamed = without_mtp_suffix(stored);
  if (renamed) {
    translation.dialects.push_back(kMtpArchitectureId);
  }
  const auto& file = renamed ? *renamed : stored;
  const auto head_block = find_head_block(file);
  std::vector<const Entry*> spoken;
  for (const auto& entry : kEntries) {
    if (is_spoken(file, entry, head_block)) {
      translation.dialects.push_back(entry.dialect.id);
      spoken.push_back(&entry);
    }
  }
  CheckpointNames checkpoint;
  if (spoken.empty()) {
    checkpoint = find_checkpoint_names(file);
    translation.problems = checkpoint.problems;
    if (checkpoint.block_count > 0) {
      translation.dialects.push_back(kCheckpointNamesId);
    }
  }
  if (!find_trimmed_vocabulary(file).empty()) {
    translation.dialects.push_back(kTrimmedVocabularyId);
  }
  if (!translation.problems.empty() || (!renamed && spoken.empty() && checkpoint.block_count == 0)) {
    return translation;
  }
  add_tensors(file, spoken, checkpoint, translation);
  for (auto& tensor : translation.tensors) {
    if (auto problem = tensor.joins_rows ? join(file, tensor) : ""; !problem.empty()) {
      translation.problems.push_back(std::move(problem));
    }
  }
  if (!translation.problems.empty()) {
    translation.tensors.clear();
    return translation;
  }
  auto named = renamed ? *std::move(renamed) : stored;
  if (checkpoint.block_count > 0) {
    declare_head(checkpoint.first_block, checkpoint.block_count, named);
  }
  translation.keys = std::move(named.keys);
  return translation;
}

std::optional<GgufFile> standard_names(const GgufFile& file, const Translation& translation) {
  if (translation.tensors.empty()) {
    return std::nullopt;
  }
  auto named = file;
  named.keys = translation.keys;
  named.tensors.clear();
  for (const auto& tensor : translation.tensors) {
    named.tensors.push_back(tensor.info);
  }
  return named;
}

Head find_donors_head(const GgufFile& file) {
  const auto named = standard_names(file, find_translation(file));
  return find_head(named ? *named : file);
}

std::vector<std::string> find_trimmed_vocabulary(const GgufFile& file) {
  const auto* map = file.find_tensor(kTrimmedVocabularyName);
  if (map == nullptr) {
    return {};
  }
  std::vector<std::string> names{map->name};
  for (const auto& tensor : file.tensors) {
    const auto split = split_block_name(tensor.name);
    const auto name = split ? split->name : std::string_view(tensor.name);
    if ((name == "output.weight" || name == "nextn.shared_head_head.weight") && tensor.shape[1] == map->shape[0]) {
      names.push_back(tensor.name);
    }
  }
  return names;
}

bool borrows_shared_tensors(const GgufFile& file) {
  const auto* item = file.find_arch_key("nextn_shared_target_tensors");
  return item != nullptr && !item->value.is_array() && item->value.integer_at() == 1;
}

}  // namespace mtpgraft
