#include "mtpgraft/strip.h"

#include <fmt/core.h>

#include <algorithm>
#include <variant>

#include "gguf/describe.h"
#include "gguf/serialize.h"
#include "model/compatibility.h"
#include "model/dialect.h"
#include "model/layer_arrays.h"
#include "mtpgraft/summary.h"
#include "plan/assembly.h"
#include "plan/head_tensors.h"
#include "plan/shards.h"

namespace mtpgraft {
namespace {

Error nothing_to_strip(const GgufFile& file, std::string message) {
  return {.code = ErrorCode::kIncompatible,
          .message = std::move(message),
          .path = file.path,
          .file_kind = recognise(file, find_head(file)).kind};
}

// A tensor that belongs to no block of the trunk, and not to the head as its keys tell of it.
std::optional<std::string_view> find_left_behind(const GgufFile& file, const Head& head) {
  const auto trunk_blocks = count_trunk_blocks(file, head);
  for (const auto& tensor : file.tensors) {
    const auto split = split_block_name(tensor.name);
    const bool is_of_head =
        split && split->block >= head.first_block && split->block - head.first_block < head.block_count;
    const bool is_stray = split ? split->block >= trunk_blocks || split->name.starts_with("nextn.")
                                : is_raw_head_name(tensor.name) || tensor.name == kTrimmedVocabularyName;
    if (is_stray && !is_of_head) {
      return tensor.name;
    }
  }
  return std::nullopt;
}

bool has_trunk(const GgufFile& file, const Head& head) {
  return std::ranges::any_of(file.tensors, [&](const TensorInfo& tensor) {
    const auto split = split_block_name(tensor.name);
    return split && split->block < head.first_block;
  });
}

Status check_strippable(const GgufFile& file, const Head& head) {
  switch (head.state) {
    case HeadState::kPresent:
    case HeadState::kPlaceholder:
      return ok_status();
    case HeadState::kBroken:
      if (const auto left = find_left_behind(file, head); left && head.has_tensors()) {
        return nothing_to_strip(file,
                                fmt::format("has '{}' outside of the head's block, which would be left behind", *left));
      }
      if (head.has_tensors() && has_trunk(file, head)) {
        return ok_status();
      }
      break;
    case HeadState::kNone:
      return nothing_to_strip(file, describe_headless(file, head) + " to take out");
    case HeadState::kSidecar:
    case HeadState::kTensorsOnly:
      return nothing_to_strip(file, "is a head without trunk: nothing would be left");
    case HeadState::kShard:
      return shard_error(file, "file");
  }
  auto error = nothing_to_strip(file, "the head is broken in a way that does not tell where the trunk ends");
  error.details = head.problems;
  return error;
}

// The files of a split model that stay as they are, the first aside.
Result<std::vector<std::size_t>> choose_kept_files(const GgufFile& file, const Head& head) {
  std::vector<std::size_t> kept;
  MTPGRAFT_TRY(const auto arranged, arrange_files(file, head, Split::kAsTarget));
  for (const auto& index : arranged) {
    if (index && *index != kept.size() + 1) {
      return Error{.code = ErrorCode::kUnsupported,
                   .message = fmt::format(
                       "the head has shard {} of {} for itself, and those behind it have their numbers in them", *index,
                       file.files.size()),
                   .path = file.path,
                   .remedy = Remedy::kMergeFirst};
    }
    if (index) {
      kept.push_back(*index);
    }
  }
  return kept;
}

// The keys of the original, and what it was.
struct Restored {
  KeyList keys;
  RecordOrigin origin;
};

// Why the record cannot restore the original; empty if there is no record.
using NotRestored = std::string;

std::variant<Restored, NotRestored> restore_keys(const GgufFile& file, std::size_t tensors_left,
                                                 std::size_t files_left) {
  if (file.find_key(kRecordKey) == nullptr) {
    return NotRestored();
  }
  auto record = find_record(file);
  if (!record) {
    return NotRestored("its own digest does not fit");
  }
  // In a split model, both numbers are those of the first file.
  if (record->origin.tensor_count != tensors_left) {
    // Its numbers would declare a head that is not there.
    return fmt::format("the original had {} tensors, some of them a head's, and {} are left",
                       record->origin.tensor_count, tensors_left);
  }
  auto keys = undo_keys(keys_of(file), record->origin.old_keys);
  if (!keys) {
    return NotRestored("keys that it tells of are no longer in the file");
  }
  if (const auto files_before = split_count(*keys); files_before != files_left) {
    return fmt::format("the original had {} files, one of them a head's, and {} are left", files_before, files_left);
  }
  return Restored{std::move(*keys), std::move(record->origin)};
}

// As the converter's --no-mtp writes them.
KeyList clean_keys(const GgufFile& file, std::uint64_t trunk_blocks, bool keep_size) {
  auto keys = keys_of(file);
  remove_key(keys, kRecordKey);
  const auto name_of = [&](std::string_view name) { return fmt::format("{}.{}", file.architecture(), name); };
  for (auto& entry : keys) {
    if (auto value = cut_layer_array(*entry.item, file, trunk_blocks)) {
      entry = {entry.key, nullptr, std::move(*value)};
    }
  }
  set_key(keys, name_of("block_count"), u32_value(static_cast<std::uint32_t>(trunk_blocks)));
  if (keep_size && file.find_arch_key("nextn_predict_layers") != nullptr) {
    set_key(keys, name_of("nextn_predict_layers"), u32_value(0));
  } else {
    remove_key(keys, name_of("nextn_predict_layers"));
  }
  return file.is_split() ? set_split_keys(1, 0, std::move(keys)) : keys;
}

std::vector<KeyChange> describe_changes(const GgufFile& file, const KeyList& keys) {
  std::vector<KeyChange> changes;
  std::vector<KeyChange> new_keys;
  const auto before = keys_of(file);
  for (const auto& difference : diff_keys(before, keys)) {
    if (difference.key() == kRecordKey) {
      continue;
    }
    if (difference.before == nullptr) {
      new_keys.push_back(describe_change(difference));
    } else if (difference.after == nullptr ||
               difference.after->complete_value() != difference.before->complete_value()) {
      changes.push_back(describe_change(difference));
    }
  }
  if (file.find_key(kRecordKey) != nullptr) {
    const auto* old = find_key(keys, kRecordKey);
    changes.push_back({std::string(kRecordKey), "string", "the graft's record",
                       old != nullptr ? describe_value(old->held_value()) : "none"});
  }
  std::ranges::move(new_keys, std::back_inserter(changes));
  return changes;
}

std::vector<Warning> warn_of_placeholder(const GgufFile& file, const KeyList& keys) {
  const auto key = fmt::format("{}.block_count", file.architecture());
  const auto* block_count = find_key(keys, key);
  if (block_count == nullptr || block_count->item == nullptr) {
    return {};
  }
  return {{"placeholder", fmt::format("the original declares a head that it has not (its {} is the graft's); "
                                      "strip the result once more for a model that loads",
                                      key)}};
}

std::vector<Warning> warn_of_trailing_bytes(const FilePlan& plan, const RecordOrigin& origin) {
  const auto data_bytes = plan.output_size - plan.data_offset;
  const auto original_bytes = origin.size - std::min(origin.size, origin.data_offset);
  if (original_bytes <= data_bytes) {
    return {};
  }
  return {{"trailing-bytes", fmt::format("the original had {} bytes after its last tensor, which the graft dropped",
                                         original_bytes - data_bytes)}};
}

}  // namespace

Result<Plan> make_strip_plan(const GgufFile& file, const StripOptions& options) {
  const auto head = find_head(file);
  MTPGRAFT_CHECK(check_strippable(file, head));
  MTPGRAFT_TRY(const auto kept_files, choose_kept_files(file, head));
  const auto file_count = 1 + kept_files.size();
  Assembly first{
      .target = file, .keys = {}, .tensors = keep_trunk(file, head, file.files.front().tensor_count), .padded_key = {}};

  Plan plan;
  plan.removed_tensors = names_of_head(file, head);
  plan.removed_bytes = head.bytes;
  auto restored = restore_keys(file, first.tensors.size(), file_count);
  const auto* origin = std::get_if<Restored>(&restored) != nullptr ? &std::get<Restored>(restored).origin : nullptr;
  if (origin != nullptr) {
    first.keys = std::move(std::get<Restored>(restored).keys);
    first.size_max = origin->size;
    first.header_padding = origin->padding;
    plan.original = {origin->file, origin->size, origin->header_digest};
    plan.warnings = warn_of_placeholder(file, first.keys);
  } else {
    first.keys = clean_keys(file, count_trunk_blocks(file, head), options.keep_size);
    if (const auto& reason = std::get<NotRestored>(restored); !reason.empty()) {
      plan.warnings.push_back({"record-unusable", fmt::format("the record cannot restore the original ({}); the result "
                                                              "is a trunk with clean keys",
                                                              reason)});
    }
  }
  if (file_count > 1) {
    first.keys = set_split_keys(file_count, file.tensors.size() - head.tensors.size(), std::move(first.keys));
  }
  plan.key_changes = describe_changes(file, first.keys);
  plan.files.push_back(assemble(first));
  for (const auto index : kept_files) {
    plan.files.push_back(keep_file(file, index));
  }
  // Without a digest it is a merged model, whose size nobody has seen.
  if (origin != nullptr && origin->header_digest) {
    std::ranges::move(warn_of_trailing_bytes(plan.files.front(), *origin), std::back_inserter(plan.warnings));
  }
  return plan;
}

}  // namespace mtpgraft
