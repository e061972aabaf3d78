#include "mtpgraft/plan.h"

#include <fmt/format.h>

#include <set>

#include "graft/assembly.h"
#include "graft/compatibility.h"
#include "graft/head_changes.h"
#include "graft/key_list.h"
#include "graft/record.h"
#include "io/read_ahead.h"
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
    Assembly assembly{.target = target_, .keys = keys_of(target_), .tensors = {}, .record = {}};
    MTPGRAFT_CHECK(set_head_keys(target_, trunk_blocks_, donor_, donor_head_, assembly.keys, plan_));
    MTPGRAFT_CHECK(apply_edits(assembly.keys));
    describe_record();
    assembly.tensors = choose_tensors();
    if (options_.labels) {
      MTPGRAFT_TRY(const auto origin, find_origin(assembly.keys));
      assembly.record = record_text(origin);
      assembly.congruent_offset = origin.data_offset;
    }
    static_cast<FilePlan&>(plan_) = assemble(assembly);
    take_offsets(assembly.tensors, plan_);
    warn_of_trailing_bytes();
    return std::move(plan_);
  }

 private:
  Status apply_edits(KeyList& keys) {
    for (const auto& [key, value] : options_.edits) {
      MTPGRAFT_CHECK(check_edit(key));
      const auto* item = target_.find_key(key);
      if (!value && item == nullptr) {
        return Error{ErrorCode::kUsage,
                     fmt::format("the target has no key '{}' to take out", key),
                     {},
                     {},
                     "mtpgraft inspect --kv lists its keys"};
      }
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

  std::vector<TensorEntry> choose_tensors() {
    const std::set<std::size_t> removed(target_head_.tensors.begin(), target_head_.tensors.end());
    std::vector<TensorEntry> entries;
    entries.reserve(target_.tensors.size() + donor_head_.tensors.size());
    for (std::size_t i = 0; i < target_.tensors.size(); ++i) {
      if (removed.contains(i)) {
        plan_.removed_tensors.push_back(target_.tensors[i].name);
      } else {
        entries.push_back(keep_tensor(target_.tensors[i]));
      }
    }
    for (auto& entry : rename_head(donor_, donor_head_, head_data_, trunk_blocks_, plan_)) {
      entries.push_back(std::move(entry));
    }
    return entries;
  }

  // A graft in the place of another keeps what the first knew.
  Result<RecordOrigin> find_origin(const KeyList& keys) const {
    RecordOrigin origin{options_.labels->target_file,
                        target_.size,
                        target_.keys.size(),
                        target_.tensors.size(),
                        target_.data_offset,
                        options_.target_header,
                        {}};
    auto before = keys_of(target_);
    if (const auto earlier = find_record(target_)) {
      if (auto restored = undo_keys(before, earlier->origin.old_keys)) {
        origin = earlier->origin;
        before = std::move(*restored);
      }
    }
    auto old_keys = find_old_keys(before, keys);
    if (!old_keys.ok()) {
      old_keys.error().path = target_.path;
      return old_keys.error();
    }
    origin.old_keys = std::move(old_keys).value();
    return origin;
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
    if (target_.size > target_.data_end) {
      plan_.warnings.push_back(
          {"trailing-bytes",
           fmt::format("the target has {} bytes after its last tensor; they are not part of the model and "
                       "are dropped",
                       target_.size - target_.data_end)});
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

Result<Digest> digest_header(const ReadableFile& file, const GgufFile& gguf) {
  Hasher hasher;
  MTPGRAFT_CHECK(read_ahead(file, 0, gguf.data_offset, [&](std::span<const std::byte> piece) {
    hasher.update(piece);
    return ok_status();
  }));
  return hasher.finish();
}

}  // namespace mtpgraft
