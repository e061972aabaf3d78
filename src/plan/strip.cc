#include "mtpgraft/strip.h"

#include <fmt/core.h>

#include "gguf/serialize.h"
#include "io/stream.h"
#include "model/compatibility.h"
#include "model/layer_arrays.h"
#include "plan/assembly.h"
#include "plan/head_changes.h"
#include "plan/shards.h"
#include "util/hash.h"

namespace mtpgraft {
namespace {

Error nothing_to_strip(const GgufFile& file, std::string message, std::string hint = {}) {
  return {ErrorCode::kIncompatible, std::move(message), file.path, {}, std::move(hint)};
}

Status check_strippable(const GgufFile& file, const Head& head) {
  switch (head.state) {
    case HeadState::kPresent:
    case HeadState::kPlaceholder:
      return ok_status();
    case HeadState::kBroken:
      if (head.has_tensors() && head.first_block > 0) {
        return ok_status();
      }
      break;
    case HeadState::kNone:
      return nothing_to_strip(file, "has no head to take out");
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

class Stripper {
 public:
  Stripper(const GgufFile& file, const StripOptions& options)
      : file_(file), options_(options), head_(find_head(file)), trunk_blocks_(count_trunk_blocks(file, head_)) {}

  Result<StripPlan> make() && {
    MTPGRAFT_CHECK(check_strippable(file_, head_));
    MTPGRAFT_TRY(const auto shards, choose_shards());
    Assembly assembly{.target = file_, .keys = keys_of(file_), .tensors = {}, .record = {}};
    assembly.tensors = keep_trunk(file_, head_, file_.files().front().tensor_count, plan_.removed_tensors);
    plan_.removed_bytes = head_.bytes;
    const auto origin = restore_keys(assembly, 1 + shards.size());
    if (origin) {
      plan_.original = {origin->file, origin->size, origin->header_digest};
      assembly.size_max = origin->size;
      warn_of_placeholder(assembly.keys);
    } else {
      clean_keys(assembly.keys);
      if (!file_.shards.empty()) {
        remove_split_keys(assembly.keys);
      }
    }
    if (!shards.empty()) {
      set_split_keys(1 + shards.size(), file_.tensors.size() - head_.tensors.size(), assembly.keys);
    }
    describe_changes(assembly.keys);
    static_cast<FilePlan&>(plan_) = assemble(assembly);
    for (const auto shard : shards) {
      plan_.shards.push_back(keep_shard(file_, shard));
    }
    // Without a digest it is a merged model, whose size nobody has seen.
    if (origin && origin->header_digest) {
      warn_of_trailing_bytes(*origin);
    }
    return std::move(plan_);
  }

 private:
  // Those of a split model that stay as they are, the first aside.
  Result<std::vector<std::size_t>> choose_shards() const {
    std::vector<std::size_t> kept;
    if (file_.shards.empty()) {
      return kept;
    }
    MTPGRAFT_TRY(const auto arranged, arrange_shards(file_, head_, Split::kAsTarget));
    for (const auto& shard : arranged) {
      if (shard && *shard != kept.size() + 1) {
        return Error{
            ErrorCode::kUnsupported,
            fmt::format("the head has shard {} of {} for itself, and those behind it have their numbers in them",
                        *shard, file_.shards.size()),
            file_.path,
            {},
            "join the files first: graft --replace --merge"};
      }
      if (shard) {
        kept.push_back(*shard);
      }
    }
    return kept;
  }

  // Makes the keys those of the original, and tells what it was; nothing, and a warning, if the record cannot do that.
  std::optional<RecordOrigin> restore_keys(Assembly& assembly, std::size_t files_left) {
    if (file_.find_key(kRecordKey) == nullptr) {
      return std::nullopt;
    }
    auto record = find_record(file_);
    if (!record) {
      warn_of_record("its own digest does not fit");
      return std::nullopt;
    }
    // Of a split model both are the first file's.
    const auto tensors_left = assembly.tensors.size();
    if (record->origin.tensor_count != tensors_left) {
      // Its numbers would declare a head that is not there.
      warn_of_record(fmt::format("the original had {} tensors, some of them a head's, and {} are left",
                                 record->origin.tensor_count, tensors_left));
      return std::nullopt;
    }
    auto restored = undo_keys(assembly.keys, record->origin.old_keys);
    if (!restored) {
      warn_of_record("keys that it tells of are no longer in the file");
      return std::nullopt;
    }
    if (const auto files_before = split_count(*restored); files_before != files_left) {
      warn_of_record(
          fmt::format("the original had {} files, one of them a head's, and {} are left", files_before, files_left));
      return std::nullopt;
    }
    assembly.keys = std::move(*restored);
    return std::move(record->origin);
  }

  // As the converter's --no-mtp writes them.
  void clean_keys(KeyList& keys) const {
    const auto name_of = [&](std::string_view name) { return fmt::format("{}.{}", file_.architecture(), name); };
    set_key(keys, name_of("block_count"), u32_value(static_cast<std::uint32_t>(trunk_blocks_)));
    if (options_.keep_size && file_.find_arch_key("nextn_predict_layers") != nullptr) {
      set_key(keys, name_of("nextn_predict_layers"), u32_value(0));
    } else {
      remove_key(keys, name_of("nextn_predict_layers"));
    }
    for (const auto& item : file_.keys) {
      if (auto value = cut_layer_array(item, file_, trunk_blocks_)) {
        set_key(keys, item.key, std::move(*value));
      }
    }
  }

  void describe_changes(const KeyList& keys) {
    for (const auto& item : file_.keys) {
      const auto now = std::ranges::find(keys, item.key, &KeyEntry::key);
      if (item.key == kRecordKey) {
        plan_.key_changes.push_back({item.key, "string", "the graft's record", "none"});
      } else if (now == keys.end()) {
        plan_.key_changes.push_back(describe_change(item.key, &item, nullptr));
      } else if (now->item == nullptr && now->value != item.value()) {
        plan_.key_changes.push_back(describe_change(item.key, &item, &now->value));
      }
    }
    for (const auto& entry : keys) {
      if (file_.find_key(entry.key) == nullptr) {
        plan_.key_changes.push_back(describe_change(entry.key, nullptr, &entry.value));
      }
    }
  }

  void warn_of_record(std::string_view reason) {
    plan_.warnings.push_back({"record-unusable", fmt::format("the record cannot restore the original ({}); the result "
                                                             "is a trunk with clean keys",
                                                             reason)});
  }

  void warn_of_placeholder(const KeyList& keys) {
    const auto key = fmt::format("{}.block_count", file_.architecture());
    const auto block_count = std::ranges::find(keys, key, &KeyEntry::key);
    if (block_count != keys.end() && block_count->item != nullptr) {
      plan_.warnings.push_back(
          {"placeholder", fmt::format("the original declares a head that it has not (its {} is the graft's); "
                                      "strip the result once more for a model that loads",
                                      key)});
    }
  }

  void warn_of_trailing_bytes(const RecordOrigin& origin) {
    const auto data_bytes = plan_.output_size - plan_.data_offset;
    const auto original_bytes = origin.size - std::min(origin.size, origin.data_offset);
    if (original_bytes > data_bytes) {
      plan_.warnings.push_back(
          {"trailing-bytes", fmt::format("the original had {} bytes after its last tensor, which the graft dropped",
                                         original_bytes - data_bytes)});
    }
  }

  const GgufFile& file_;
  const StripOptions& options_;
  const Head head_;
  const std::uint64_t trunk_blocks_;
  StripPlan plan_;
};

}  // namespace

Result<StripPlan> make_strip_plan(const GgufFile& file, const StripOptions& options) {
  return Stripper(file, options).make();
}

Result<Digest> digest_planned_header(const FilePlan& plan, const ReadableFile& target) {
  Hasher hasher;
  std::vector<std::byte> buffer(std::size_t{1} << 16);
  const auto hash = [&](std::span<const std::byte> piece) {
    hasher.update(piece);
    return ok_status();
  };
  std::uint64_t offset = 0;
  for (const auto& segment : plan.segments) {
    if (offset >= plan.data_offset) {
      break;
    }
    if (const auto* literal = std::get_if<Literal>(&segment)) {
      hasher.update(literal->bytes);
    } else if (const auto* copy = std::get_if<Copy>(&segment)) {
      MTPGRAFT_CHECK(read_in_pieces(target, copy->offset, copy->length, buffer, hash));
    } else {
      MTPGRAFT_CHECK(in_zeros(segment_length(segment), hash));
    }
    offset += segment_length(segment);
  }
  return hasher.finish();
}

}  // namespace mtpgraft
