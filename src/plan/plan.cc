#include "mtpgraft/plan.h"

#include <fmt/format.h>

#include <iterator>
#include <numeric>
#include <utility>

#include "gguf/describe.h"
#include "io/read_ahead.h"
#include "model/compatibility.h"
#include "plan/assembly.h"
#include "plan/head_changes.h"
#include "plan/key_list.h"
#include "plan/record.h"
#include "plan/shards.h"
#include "util/hash.h"

namespace mtpgraft {
namespace {

class Planner {
 public:
  Planner(const GgufFile& target, const GgufFile& donor, const HeadData& head_data, const GraftOptions& options)
      : target_(target),
        donor_(donor),
        head_data_(head_data),
        options_(options),
        target_head_(find_head(target)),
        donor_head_(find_head(donor)),
        trunk_blocks_(count_trunk_blocks(target, target_head_)) {}

  Result<Plan> make() && {
    MTPGRAFT_CHECK(check_target(target_, target_head_, options_.replace));
    MTPGRAFT_CHECK(check_donor(donor_, donor_head_, target_));
    auto fit = check_fit(target_, target_head_, donor_, donor_head_, head_data_);
    MTPGRAFT_CHECK(refuse_misfit(target_, donor_, fit));
    plan_.warnings = std::move(fit.warnings);
    MTPGRAFT_TRY(const auto other_files, arrange_shards(target_, target_head_, options_.split));
    const auto file_count = 1 + other_files.size();
    const auto tensor_count = target_.tensors.size() - target_head_.tensors.size() + donor_head_.tensors.size();
    Assembly assembly{.target = target_, .keys = keys_of(target_), .tensors = {}, .record = {}};
    MTPGRAFT_CHECK(set_head_keys(target_, trunk_blocks_, donor_, donor_head_, assembly.keys, plan_));
    if (file_count > 1) {
      set_split_keys(file_count, tensor_count, assembly.keys);
    } else if (!target_.shards.empty()) {
      remove_split_keys(assembly.keys);
    }
    describe_split_changes(target_, assembly.keys, plan_.key_changes);
    MTPGRAFT_CHECK(apply_edits(assembly.keys));
    describe_record();
    auto head = rename_head(donor_, donor_head_, head_data_, trunk_blocks_, plan_);
    const auto first_file_tensors = other_files.empty() ? target_.tensors.size() : target_.files().front().tensor_count;
    assembly.tensors = keep_trunk(target_, target_head_, first_file_tensors, plan_.removed_tensors);
    if (other_files.empty()) {
      assembly.tensors.insert(assembly.tensors.end(), std::make_move_iterator(head.begin()),
                              std::make_move_iterator(head.end()));
    }
    if (options_.labels) {
      MTPGRAFT_TRY(const auto origin, find_origin(assembly.keys));
      assembly.record = record_text(origin);
      MTPGRAFT_CHECK(check_record_size(assembly.record->size()));
      assembly.congruent_offset = origin.data_offset;
    }
    static_cast<FilePlan&>(plan_) = assemble(assembly);
    if (other_files.empty()) {
      take_offsets(assembly.tensors, plan_);
    }
    for (const auto& kept : other_files) {
      if (kept) {
        plan_.shards.push_back(keep_shard(target_, *kept));
      } else {
        auto shard =
            assemble_head_shard(target_, 1 + plan_.shards.size(), file_count, tensor_count, std::exchange(head, {}));
        plan_.shards.push_back({assemble(shard), std::nullopt});
        take_offsets(shard.tensors, plan_);
      }
    }
    warn_of_trailing_bytes();
    return std::move(plan_);
  }

 private:
  Status apply_edits(KeyList& keys) {
    for (const auto& edit : options_.edits) {
      const auto& key = edit.key;
      const auto& value = edit.value;
      MTPGRAFT_CHECK(check_edit(key));
      const auto* item = target_.find_key(key);
      if (!value && item == nullptr) {
        return Error{ErrorCode::kUsage,
                     fmt::format("the target has no key '{}' to take out", key),
                     {},
                     {},
                     "mtpgraft inspect --kv lists its keys"};
      }
      if (value && item != nullptr && (value->type != item->type || value->element_type != item->element_type)) {
        plan_.warnings.push_back(
            {"key-type-differs", fmt::format("key '{}' is {} in the target, and {} is asked for: "
                                             "programs that read it may refuse another type",
                                             key, describe_type(*item), describe_type(as_read(*value)))});
      }
      // Of several edits the last one counts.
      std::erase_if(plan_.key_changes, [&](const KeyChange& change) { return change.key == key; });
      plan_.key_changes.push_back(describe_change(key, item, value ? &*value : nullptr));
      if (value) {
        set_key(keys, key, *value);
      } else {
        remove_key(keys, key);
      }
    }
    return ok_status();
  }

  // These are what the graft is about, or decide how everything else is read.
  Status check_edit(const std::string& key) const {
    const auto architecture = target_.architecture();
    for (const auto& kept :
         {std::string("general.architecture"), std::string("general.alignment"), std::string(kRecordKey),
          fmt::format("{}.block_count", architecture), fmt::format("{}.nextn_predict_layers", architecture)}) {
      if (key == kept || key.starts_with("split.")) {
        return Error{ErrorCode::kUsage, fmt::format("key '{}' is not for --set or --unset", key)};
      }
    }
    return ok_status();
  }

  void describe_record() {
    const bool was_there = target_.find_key(kRecordKey) != nullptr;
    if (was_there || options_.labels) {
      plan_.key_changes.push_back({std::string(kRecordKey), "string", was_there ? "an earlier record" : "",
                                   options_.labels ? "origin, old values, digest of the head" : "none"});
    }
  }

  // A graft in the place of another keeps what the first knew.
  Result<RecordOrigin> find_origin(const KeyList& keys) const {
    const auto first_file = target_.files().front();
    RecordOrigin origin{options_.labels->target_file,
                        first_file.size,
                        target_.keys.size(),
                        first_file.tensor_count,
                        target_.data_offset,
                        options_.target_header,
                        {}};
    auto before = keys_of(target_);
    auto tensors_before = target_.tensors.size();
    if (const auto earlier = find_record(target_)) {
      if (auto restored = undo_keys(before, earlier->origin.old_keys)) {
        origin = earlier->origin;
        before = std::move(*restored);
        tensors_before -= target_head_.tensors.size();
      }
    }
    if (options_.split == Split::kMerge && !target_.shards.empty()) {
      // What a merged graft was before is the merged target, which nobody has seen.
      remove_split_keys(before);
      origin.size = target_.size;
      origin.key_count = before.size();
      origin.tensor_count = tensors_before;
      origin.data_offset = first_file.tensor_count > 0 ? origin.data_offset : target_.tensors.front().offset;
      origin.header_digest.reset();
    }
    auto old_keys = find_old_keys(before, keys);
    if (!old_keys.ok()) {
      old_keys.error().path = target_.path;
      return old_keys.error();
    }
    origin.old_keys = std::move(old_keys).value();
    return origin;
  }

  // A record that cannot be read again would undo nothing. Its padding is less than a block.
  static Status check_record_size(std::size_t bytes) {
    constexpr auto kBytesMax = KeyValue::kKeptValueBytes - kCloneBlockBytes;
    if (bytes > kBytesMax) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("the record would have {} bytes, and {} are read again: the keys' new and old values "
                               "are too long for it",
                               bytes, kBytesMax),
                   {},
                   {},
                   "with --no-record keys can be changed, but not be restored by 'strip'"};
    }
    return ok_status();
  }

  std::string record_text(const RecordOrigin& origin) const {
    Record record;
    record.labels = *options_.labels;
    record.origin = origin;
    record.donor_architecture = donor_.architecture();
    const auto* name = donor_.find_key("general.name");
    record.donor_name = name != nullptr ? name->text().value_or("") : "";
    for (std::uint64_t i = 0; i < donor_head_.block_count; ++i) {
      record.donor_blocks.push_back(donor_head_.first_block + i);
      record.head.blocks.push_back(trunk_blocks_ + i);
    }
    record.head.tensor_count = plan_.head_tensors.size();
    record.head.bytes = plan_.head_bytes;
    record.head.digest = head_data_.digest.value_or(Digest{});
    record.edits = options_.edits;
    return write_record(record);
  }

  void warn_of_trailing_bytes() {
    std::uint64_t trailing_bytes = 0;
    const auto files = target_.files();
    for (std::size_t i = 0; i < (plan_.shards.empty() ? files.size() : 1); ++i) {
      trailing_bytes += files[i].offset + files[i].size - files[i].data_end;
    }
    if (trailing_bytes > 0) {
      plan_.warnings.push_back(
          {"trailing-bytes",
           fmt::format("the target has {} bytes after its last tensor; they are not part of the model and "
                       "are dropped",
                       trailing_bytes)});
    }
  }

  const GgufFile& target_;
  const GgufFile& donor_;
  const HeadData& head_data_;
  const GraftOptions& options_;
  const Head target_head_;
  const Head donor_head_;
  const std::uint64_t trunk_blocks_;
  Plan plan_;
};

}  // namespace

Result<Plan> make_graft_plan(const GgufFile& target, const GgufFile& donor, const HeadData& head_data,
                             const GraftOptions& options) {
  return Planner(target, donor, head_data, options).make();
}

std::vector<const FilePlan*> SetPlan::files() const {
  std::vector<const FilePlan*> files{this};
  for (const auto& shard : shards) {
    files.push_back(&shard);
  }
  return files;
}

std::uint64_t SetPlan::bytes_of_files() const {
  return std::accumulate(shards.begin(), shards.end(), output_size,
                         [](std::uint64_t sum, const FilePlan& file) { return sum + file.output_size; });
}

std::uint64_t SetPlan::tensors_of_files() const {
  return std::accumulate(shards.begin(), shards.end(), tensor_count,
                         [](std::uint64_t sum, const FilePlan& file) { return sum + file.tensor_count; });
}

Result<Digest> digest_header(const ReadableFile& file, const GgufFile& gguf) {
  Hasher hasher;
  MTPGRAFT_CHECK(read_ahead(file, 0, gguf.data_offset, [&](std::span<const std::byte> piece) {
    hasher.update(piece);
    return ok_status();
  }));
  return hasher.finish();
}

}  // namespace mtpgraft
