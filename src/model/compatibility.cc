#include "model/compatibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "gguf/format.h"
#include "gguf/size_by_others.h"
#include "gguf/tensor_types.h"
#include "model/architectures.h"
#include "model/structure.h"
#include "model/warnings.h"

namespace mtpgraft {

std::optional<std::uint64_t> hyper_parameter(const GgufFile& file, std::string_view key) {
  const auto* item = file.find_arch_key(key);
  if (item == nullptr) {
    return std::nullopt;
  }
  for (std::uint64_t i = 0; i < item->value.element_count && i < kBlocksMax; ++i) {
    const auto value = item->value.integer_at(i);
    if (value && *value > 0) {
      return static_cast<std::uint64_t>(*value);
    }
  }
  return std::nullopt;
}

bool never_drafts(const GgufFile& model, const Architecture& architecture) {
  return architecture.needs_query_rank && model.find_arch_key("block_count") != nullptr &&
         !hyper_parameter(model, "attention.q_lora_rank");
}

namespace {

// Hyper-parameters that shapes hang on: a difference cannot load.
constexpr auto kEqualKeys = std::to_array<std::string_view>(
    {"embedding_length", "attention.head_count", "attention.head_count_kv", "attention.key_length",
     "attention.value_length", "feed_forward_length", "expert_shared_feed_forward_length", "expert_shared_count",
     "attention.q_lora_rank", "attention.kv_lora_rank", "attention.key_length_mla", "attention.value_length_mla"});

// Those of the experts: a model with fewer experts than the head's cannot have it in its file, but beside it.
constexpr auto kExpertKeys = std::to_array<std::string_view>({"expert_count", "expert_feed_forward_length"});

// The difference in words; nothing if there is none.
std::optional<std::string> compare_key(const GgufFile& target, const GgufFile& donor, std::string_view key) {
  const auto ours = hyper_parameter(target, key);
  const auto theirs = hyper_parameter(donor, key);
  if (!ours || !theirs || *ours == *theirs) {
    return std::nullopt;
  }
  return fmt::format("{}: target {}, donor {}", key, *ours, *theirs);
}

void check_hyper_parameters(const GgufFile& target, const GgufFile& donor, HeadPlace place, Fit& fit) {
  for (const auto key : kEqualKeys) {
    if (auto difference = compare_key(target, donor, key)) {
      fit.refusals.push_back(std::move(*difference));
      fit.is_other_model = true;
    }
  }
  for (const auto key : kExpertKeys) {
    if (auto difference = compare_key(target, donor, key)) {
      fit.differs_in_experts = true;
      if (place == HeadPlace::kInModel) {
        fit.refusals.push_back(std::move(*difference));
      }
    }
  }
}

// After "blk.N." with the largest N that llama.cpp takes, for a name that ggml still loads.
constexpr std::size_t kHeadTensorNameBytesMax = format::kTensorNameBytesMax - std::string_view("blk.511.").size();

// An upstream id whose bytes do not fit the upstream size belongs to a fork that uses the number for its own type.
bool is_fork_typed(const TensorInfo& tensor) {
  return !is_upstream_tensor_type(tensor.type) || !has_table_size(tensor);
}

void check_type(const TensorInfo& tensor, std::string_view name, bool target_is_fork_typed, Fit& fit) {
  if (is_fork_typed(tensor)) {
    const auto type = tensor_type_name(tensor.type);
    if (target_is_fork_typed) {
      fit.warnings.push_back(
          {"fork-type",
           fmt::format("head tensor '{}' has type {}, which upstream llama.cpp does not read", tensor.name, type)});
    } else {
      fit.refusals.push_back(
          fmt::format("head tensor '{}' has type {}, which upstream llama.cpp does not read; all of the "
                      "target's types are upstream's",
                      tensor.name, type));
    }
  } else if (tensor.type >= tensor_type::kI8 && tensor.type <= tensor_type::kF64) {
    fit.refusals.push_back(fmt::format("head tensor '{}' has type {}, with which nothing can multiply", tensor.name,
                                       tensor_type_name(tensor.type)));
  }
  if (is_scale(name)) {
    fit.refusals.push_back(
        fmt::format("head tensor '{}' is an NVFP4 scale: llama.cpp then loads the file only when "
                    "drafting; use a donor in BF16 or Q8_0",
                    tensor.name));
  }
}

void check_head_tensors(const GgufFile& target, const GgufFile& donor, const Head& donor_head, Fit& fit) {
  const bool target_is_fork_typed = std::ranges::any_of(target.tensors, is_fork_typed);
  for (const auto index : donor_head.tensors) {
    const auto& tensor = donor.tensors[index];
    const auto name = split_block_name(tensor.name).value().name;
    check_type(tensor, name, target_is_fork_typed, fit);
    // Readers of the output take its new padding for data.
    if (&target != &donor && !has_table_size(tensor) && tensor.size_bytes % target.alignment != 0) {
      fit.refusals.push_back(fmt::format(
          "head tensor '{}' has type {}, whose size only offsets tell, and {} bytes: that is no multiple of "
          "the target's alignment, {}",
          tensor.name, tensor_type_name(tensor.type), tensor.size_bytes, target.alignment));
    }
    if (name.size() > kHeadTensorNameBytesMax) {
      fit.refusals.push_back(fmt::format("head tensor '{}' has too long a name to be renumbered", tensor.name));
    }
  }
}

// Where hyper-parameters differ, every shape does, and the list of them would bury the reason.
void check_blocks(const GgufFile& target, std::uint64_t trunk_blocks, const GgufFile& donor, const Head& donor_head,
                  const Architecture& architecture, HeadPlace place, Fit& fit) {
  if (fit.is_other_model || (fit.differs_in_experts && place == HeadPlace::kInModel)) {
    return;
  }
  const auto experts = fit.differs_in_experts ? ExpertRule::kOwn : ExpertRule::kAsTrunk;
  auto structure = check_structure(target, trunk_blocks, donor, donor_head, architecture, experts);
  // A donor without keys says nothing of its dimensions but by its shapes.
  fit.differs_in_experts = fit.differs_in_experts || structure.differs_in_experts;
  fit.is_other_model = !structure.refusals.empty() && !structure.differs_in_experts &&
                       donor.find_arch_key("embedding_length") == nullptr;
  std::ranges::move(structure.refusals, std::back_inserter(fit.refusals));
  for (auto& warning : structure.warnings) {
    fit.warnings.push_back({"head-structure", std::move(warning)});
  }
}

void check_block_count(std::uint64_t after, Fit& fit) {
  if (after > kBlocksMax) {
    fit.refusals.push_back(fmt::format("block_count would be {}, llama.cpp takes at most {}", after, kBlocksMax));
  }
}

// Every trunk block must have tensors, or the renumbered head would stand in a gap, and no other tensor may be left
// that loaders never ask for.
void check_trunk(const GgufFile& target, const Head& head, std::uint64_t trunk_blocks, Fit& fit) {
  if (trunk_blocks == 0) {
    fit.refusals.emplace_back("the target has no trunk blocks: its block_count is 0");
  }
  std::vector<bool> present(std::min(trunk_blocks, kBlocksMax));
  for (const auto& tensor : target.tensors) {
    const auto split = split_block_name(tensor.name);
    if (split && split->block < present.size() && !split->name.starts_with("nextn.")) {
      present[split->block] = true;
    } else if ((split && (split->block < head.first_block || split->block - head.first_block >= head.block_count)) ||
               is_raw_head_name(tensor.name)) {
      fit.refusals.push_back(
          fmt::format("the target's tensor '{}' belongs to no block of the model; llama.cpp refuses such "
                      "files",
                      tensor.name));
      return;
    }
  }
  const auto gap = std::ranges::find(present, false);
  if (gap != present.end()) {
    fit.refusals.push_back(
        fmt::format("the target's blk.{} has no tensors, but its keys make it one of {} trunk blocks; a "
                    "model that declares a head it has not needs the key nextn_predict_layers too",
                    gap - present.begin(), trunk_blocks));
  }
}

}  // namespace

Fit check_fit(const GgufFile& target, const Head& target_head, const GgufFile& donor, const Head& donor_head,
              const HeadData& head_data, HeadPlace place) {
  Fit fit;
  const auto architecture = find_architecture(target.architecture());
  // A donor without keys was not checked against its architecture.
  fit.refusals = never_drafts(target, architecture) ? std::vector<std::string>{std::string(kNeverDrafts)}
                                                    : find_missing_tensors(donor, donor_head, architecture);
  if (architecture.blocks_max != 0 && donor_head.block_count > architecture.blocks_max) {
    fit.refusals.push_back(fmt::format("the donor's head has {} blocks, llama.cpp drafts with {} in {} models",
                                       donor_head.block_count, architecture.blocks_max, architecture.name));
  }
  const auto trunk_blocks = count_trunk_blocks(target, target_head);
  check_trunk(target, target_head, trunk_blocks, fit);
  check_block_count(trunk_blocks + donor_head.block_count, fit);
  check_hyper_parameters(target, donor, place, fit);
  check_head_tensors(target, donor, donor_head, fit);
  check_blocks(target, trunk_blocks, donor, donor_head, architecture, place, fit);
  fit.fits_beside = place == HeadPlace::kInModel && fit.differs_in_experts && architecture.loads_sidecar &&
                    check_fit(target, target_head, donor, donor_head, head_data, HeadPlace::kBeside).refusals.empty();
  auto warnings = find_warnings(target, donor, donor_head, head_data);
  fit.warnings.insert(fit.warnings.end(), std::make_move_iterator(warnings.begin()),
                      std::make_move_iterator(warnings.end()));
  return fit;
}

Status refuse_misfit(const GgufFile& target, const GgufFile& donor, const Fit& fit) {
  if (fit.refusals.empty()) {
    return ok_status();
  }
  return Error{.code = ErrorCode::kIncompatible,
               .message = fmt::format("the head of '{}' does not fit", donor.path),
               .path = target.path,
               .hint = fit.is_other_model ? "take the head from the model that the target was made from" : "",
               .details = fit.refusals,
               .remedy = fit.fits_beside ? Remedy::kHeadBeside : Remedy::kNone};
}

}  // namespace mtpgraft
