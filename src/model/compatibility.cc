#include "model/compatibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "gguf/format.h"
#include "gguf/tensor_types.h"
#include "model/architectures.h"
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

namespace {

// Hyper-parameters that shapes hang on: a difference cannot load.
constexpr auto kEqualKeys = std::to_array<std::string_view>(
    {"embedding_length", "attention.head_count", "attention.head_count_kv", "attention.key_length",
     "attention.value_length", "feed_forward_length", "expert_feed_forward_length", "expert_shared_feed_forward_length",
     "expert_count", "expert_shared_count", "attention.q_lora_rank", "attention.kv_lora_rank",
     "attention.key_length_mla", "attention.value_length_mla"});

void check_hyper_parameters(const GgufFile& target, const GgufFile& donor, Fit& fit) {
  const auto* kv_heads = target.find_arch_key("attention.head_count_kv");
  if (kv_heads != nullptr && kv_heads->value.is_array() && kv_heads->value.integer_at(0) == 0) {
    fit.warnings.push_back(
        {"kv-heads-zero",
         fmt::format("'{}' is 0 for block 0, and llama.cpp takes the head's count from there: it refuses "
                     "the target with or without a head",
                     kv_heads->key)});
  }
  for (const auto key : kEqualKeys) {
    const auto ours = hyper_parameter(target, key);
    const auto theirs = hyper_parameter(donor, key);
    if (ours && theirs && *ours != *theirs) {
      fit.refusals.push_back(fmt::format("{}: target {}, donor {}", key, *ours, *theirs));
      fit.is_other_model = true;
    }
  }
}

std::optional<std::uint64_t> extent_value(const GgufFile& target, const Architecture& architecture, Extent extent) {
  const auto times = [](std::optional<std::uint64_t> a, std::optional<std::uint64_t> b) {
    // Hyper-parameters are u32; their product cannot overflow.
    return a && b && std::max(*a, *b) <= UINT32_MAX ? std::optional(*a * *b) : std::nullopt;
  };
  const auto heads = hyper_parameter(target, "attention.head_count");
  const auto width = hyper_parameter(target, "embedding_length");
  auto head = hyper_parameter(target, "attention.key_length");
  if (!head && width && heads) {
    head = *width / *heads;
  }
  const auto feed_forward = hyper_parameter(target, "feed_forward_length");
  switch (extent) {
    case Extent::kNone:
      return 1;
    case Extent::kEmbedding:
      return width;
    case Extent::kEmbedding2:
      return times(width, 2);
    case Extent::kHead:
      return architecture.attention_shapes_known ? head : std::nullopt;
    case Extent::kQuery:
      return architecture.attention_shapes_known ? times(head, heads) : std::nullopt;
    case Extent::kKey:
      return architecture.attention_shapes_known ? times(head, hyper_parameter(target, "attention.head_count_kv"))
                                                 : std::nullopt;
    case Extent::kValue: {
      const auto value = hyper_parameter(target, "attention.value_length");
      return architecture.attention_shapes_known
                 ? times(value ? value : head, hyper_parameter(target, "attention.head_count_kv"))
                 : std::nullopt;
    }
    case Extent::kFeedForward:
      return architecture.attention_shapes_known ? feed_forward : std::nullopt;
    case Extent::kExperts:
      return hyper_parameter(target, "expert_count");
    case Extent::kExpertForward:
      return hyper_parameter(target, "expert_feed_forward_length");
    case Extent::kExpertForward2:
      return times(hyper_parameter(target, "expert_feed_forward_length"), 2);
    case Extent::kSharedForward: {
      const auto shared = hyper_parameter(target, "expert_shared_feed_forward_length");
      return architecture.query_has_gate && !shared ? feed_forward : shared;
    }
    case Extent::kVocabulary: {
      const auto* tokens = target.find_key("tokenizer.ggml.tokens");
      return tokens != nullptr && tokens->value.is_array() ? std::optional(tokens->value.element_count) : std::nullopt;
    }
  }
  return std::nullopt;
}

void check_shape(const GgufFile& target, const Architecture& architecture, const TensorInfo& tensor,
                 std::string_view name, bool donor_has_dimensions, Fit& fit) {
  const auto known = std::ranges::find(head_tensor_shapes(), name, &HeadTensorShape::name);
  if (known == head_tensor_shapes().end()) {
    return;
  }
  std::array<std::uint64_t, 4> expected{1, 1, 1, 1};
  for (std::size_t i = 0; i < known->extents.size(); ++i) {
    const auto value = extent_value(target, architecture, known->extents[i]);
    if (!value) {
      return;
    }
    expected[i] = *value;
  }
  if (architecture.query_has_gate && name == "attn_q.weight") {
    expected[1] *= 2;
  }
  if (tensor.shape != expected) {
    // A donor without keys says nothing of its dimensions but by its shapes.
    fit.is_other_model = fit.is_other_model || !donor_has_dimensions;
    fit.refusals.push_back(fmt::format("head tensor '{}' has shape [{}], the target's hyper-parameters ask for [{}]",
                                       tensor.name, fmt::join(tensor.shape, ", "), fmt::join(expected, ", ")));
  }
}

// After "blk.N." with the largest N that llama.cpp takes, for a name that ggml still loads.
constexpr std::size_t kHeadTensorNameBytesMax = format::kTensorNameBytesMax - std::string_view("blk.511.").size();

bool is_fork_typed(const TensorInfo& tensor) {
  const auto* type = find_tensor_type(tensor.type);
  // An upstream id whose bytes do not fit the upstream size belongs to a fork that uses the number for its own type.
  return !is_upstream_tensor_type(tensor.type) || tensor.shape[0] % type->block_elements != 0 ||
         tensor_bytes(*type, tensor.shape) != tensor.size_bytes;
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
  if (name.ends_with(".scale") || name.ends_with(".input_scale")) {
    fit.refusals.push_back(
        fmt::format("head tensor '{}' is an NVFP4 scale: llama.cpp b10256 then loads the file only when "
                    "drafting; use a donor in BF16 or Q8_0",
                    tensor.name));
  }
}

void check_head_tensors(const GgufFile& target, const Architecture& architecture, const GgufFile& donor,
                        const Head& donor_head, Fit& fit) {
  // Where hyper-parameters differ, every shape does, and the list of them would bury the reason.
  const bool dimensions_are_equal = !fit.is_other_model;
  const bool target_is_fork_typed = std::ranges::any_of(target.tensors, is_fork_typed);
  std::set<std::uint64_t> normed;
  for (const auto index : donor_head.tensors) {
    const auto& tensor = donor.tensors[index];
    const auto name = split_block_name(tensor.name).value().name;
    if (dimensions_are_equal) {
      check_shape(target, architecture, tensor, name, donor.find_arch_key("embedding_length") != nullptr, fit);
    }
    check_type(tensor, name, target_is_fork_typed, fit);
    if (name.size() > kHeadTensorNameBytesMax) {
      fit.refusals.push_back(fmt::format("head tensor '{}' has too long a name to be renumbered", tensor.name));
    }
    if (name == "nextn.shared_head_norm.weight") {
      normed.insert(split_block_name(tensor.name)->block);
    }
  }
  if (normed.size() < donor_head.block_count) {
    fit.warnings.push_back(
        {"shared-head-norm-missing",
         "the head has no nextn.shared_head_norm.weight; llama.cpp silently uses output_norm instead"});
  }
}

// What llama.cpp derives from the number of blocks itself, and a graft would change behind its back.
void check_depth(const GgufFile& target, std::uint64_t before, const Head& donor_head, Fit& fit) {
  const auto after = before + donor_head.block_count;
  if (after > kBlocksMax) {
    fit.refusals.push_back(fmt::format("block_count would be {}, llama.cpp takes at most {}", after, kBlocksMax));
  }
  const auto architecture = target.architecture();
  if (architecture == "deepseek2") {
    const auto* tokens = target.find_key("tokenizer.ggml.tokens");
    const auto is_lite = [&](std::uint64_t blocks) {
      return blocks == 26 || blocks == 27 ||
             (blocks == 48 && tokens != nullptr && tokens->value.element_count == 128256);
    };
    if (is_lite(before) != is_lite(after)) {
      fit.refusals.push_back(
          fmt::format("llama.cpp tells DeepSeek 'lite' models by their block count: {} is, {} is not",
                      is_lite(before) ? before : after, is_lite(before) ? after : before));
    }
    if (target.find_arch_key("expert_gating_func") == nullptr) {
      fit.warnings.push_back(
          {"gating-guessed", fmt::format("expert_gating_func is absent, and llama.cpp guesses it from the "
                                         "block count, which changes from {} to {}",
                                         before, after)});
    }
  }
  if (architecture == "exaone4" && before == 64) {
    fit.warnings.push_back(
        {"sliding-window-lost",
         "llama.cpp sets up sliding-window attention for exaone4 only at block_count 64; it would be 65"});
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
               tensor.name.starts_with("mtp.")) {
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
              const HeadData& head_data) {
  Fit fit;
  const auto architecture = find_architecture(target.architecture());
  // A donor without keys was not checked against its architecture.
  fit.refusals = find_missing_tensors(donor, donor_head, architecture);
  if (architecture.blocks_max != 0 && donor_head.block_count > architecture.blocks_max) {
    fit.refusals.push_back(fmt::format("the donor's head has {} blocks, llama.cpp drafts with {} in {} models",
                                       donor_head.block_count, architecture.blocks_max, architecture.name));
  }
  const auto trunk_blocks = count_trunk_blocks(target, target_head);
  check_trunk(target, target_head, trunk_blocks, fit);
  check_depth(target, trunk_blocks, donor_head, fit);
  check_hyper_parameters(target, donor, fit);
  check_head_tensors(target, architecture, donor, donor_head, fit);
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
               .details = fit.refusals};
}

}  // namespace mtpgraft
