#include "mtpgraft/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "gguf/describe.h"
#include "gguf/format.h"
#include "model/compatibility.h"
#include "model/head_values.h"
#include "plan/assembly.h"
#include "plan/head_tensors.h"
#include "plan/key_list.h"
#include "plan/record.h"
#include "plan/shards.h"
#include "plan/value_json.h"

namespace mtpgraft {
namespace {

// These are what the graft is about, or decide how everything else is read.
bool is_reserved(const GgufFile& target, std::string_view key) {
  return key == "general.architecture" || key == "general.alignment" || key == kRecordKey ||
         is_depth_key(target, key) || key.starts_with("split.");
}

Status check_edit(const GgufFile& target, const KeyEdit& edit) {
  if (is_reserved(target, edit.key)) {
    return Error{.code = ErrorCode::kUsage, .message = fmt::format("key '{}' cannot be set or unset", edit.key)};
  }
  if (!edit.value && target.find_key(edit.key) == nullptr) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("the target has no key '{}' to take out", edit.key),
                 .remedy = Remedy::kListKeys};
  }
  if (!format::is_key_name(edit.key)) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("a key has a name of 1 to {} bytes without NUL", format::kKeyBytesMax)};
  }
  if (edit.value && !is_sound(*edit.value)) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("the value for key '{}' has not the bytes of its type", edit.key)};
  }
  return ok_status();
}

Result<KeyList> apply_edits(const GgufFile& target, const std::vector<KeyEdit>& edits, KeyList keys) {
  for (const auto& edit : edits) {
    MTPGRAFT_CHECK(check_edit(target, edit));
    if (edit.value) {
      set_key(keys, edit.key, *edit.value);
    } else {
      remove_key(keys, edit.key);
    }
  }
  return keys;
}

std::vector<Warning> warn_of_types(const GgufFile& target, const std::vector<KeyEdit>& edits) {
  std::vector<Warning> warnings;
  for (const auto& edit : edits) {
    const auto& value = edit.value;
    const auto* item = target.find_key(edit.key);
    if (value && item != nullptr &&
        (value->type != item->value.type || value->element_type != item->value.element_type)) {
      warnings.push_back(
          {"key-type-differs", fmt::format("key '{}' is {} in the target, and {} is asked for: "
                                           "programs that read it may refuse another type",
                                           edit.key, describe_type(item->value), describe_type(*value))});
    }
  }
  return warnings;
}

std::vector<KeyChange> describe_changes(const HeadPlacement& placement, const KeyList& keys,
                                        const GraftOptions& options) {
  auto changes = describe_head_changes(placement, keys, options.edits);
  std::erase_if(changes, [](const KeyChange& change) { return change.key == kRecordKey; });
  const bool had_record = find_record(placement.target).has_value();
  const auto* foreign = had_record ? nullptr : placement.target.find_key(kRecordKey);
  if (had_record || options.labels) {
    changes.push_back({std::string(kRecordKey), "string",
                       had_record           ? "an earlier record"
                       : foreign != nullptr ? describe_value(foreign->value)
                                            : "",
                       options.labels ? "origin, old values, digest of the head" : "none"});
  }
  return changes;
}

// What the target was before any graft: one in the place of another keeps what the first knew.
Result<RecordOrigin> find_origin(const GgufFile& target, const Head& target_head, const GraftOptions& options,
                                 const KeyList& keys) {
  const auto& first_file = target.files.front();
  RecordOrigin origin{options.labels->target_file,
                      first_file.size,
                      target.keys.size(),
                      first_file.tensor_count,
                      target.data_offset,
                      {},
                      {},
                      {}};
  if (options.target_header) {
    origin.header_digest = options.target_header->digest;
    origin.padding = options.target_header->padding;
  }
  auto before = keys_of(target);
  auto tensors_before = target.tensors.size();
  if (const auto earlier = find_record(target)) {
    if (auto restored = undo_keys(before, earlier->origin.old_keys)) {
      origin = earlier->origin;
      before = std::move(*restored);
      tensors_before -= target_head.tensors.size();
    }
  }
  if (options.split == Split::kMerge && target.is_split()) {
    // What a merged graft was before is the merged target, which nobody has seen.
    before = set_split_keys(1, 0, std::move(before));
    origin.size = target.size;
    origin.key_count = before.size();
    origin.tensor_count = tensors_before;
    origin.data_offset = first_file.tensor_count > 0 ? origin.data_offset : target.tensors.front().offset;
    origin.header_digest.reset();
    origin.padding.clear();
  }
  auto old_keys = find_old_keys(before, keys);
  if (!old_keys.ok()) {
    old_keys.error().path = target.path;
    return old_keys.error();
  }
  origin.old_keys = std::move(old_keys).value();
  return origin;
}

// A record that cannot be read again would undo nothing. Its padding is less than a block.
Status check_record_size(std::size_t bytes, std::size_t padding_bytes) {
  constexpr auto kBytesMax = KeyValue::kKeptValueBytes - kCloneBlockBytes;
  if (bytes > kBytesMax) {
    const auto* what =
        padding_bytes > kBytesMax / 4 ? "what pads the target's header is" : "the keys' new and old values are";
    return Error{.code = ErrorCode::kUnsupported,
                 .message = fmt::format("the record would have {} bytes, and {} are read again: {} too long for it",
                                        bytes, kBytesMax, what),
                 .remedy = Remedy::kOmitRecord};
  }
  return ok_status();
}

std::string make_record(const HeadPlacement& placement, const std::vector<TensorEntry>& head,
                        const GraftOptions& options, const RecordLabels& labels, const RecordOrigin& origin) {
  const auto& donor = placement.donor;
  Record record;
  record.labels = labels;
  record.origin = origin;
  record.donor_architecture = donor.architecture();
  const auto* name = donor.find_key("general.name");
  record.donor_name = name != nullptr ? name->text().value_or("") : "";
  for (std::uint64_t i = 0; i < placement.head.block_count; ++i) {
    record.donor_blocks.push_back(placement.head.first_block + i);
    record.head.blocks.push_back(placement.trunk_blocks + i);
  }
  record.head.tensor_count = head.size();
  record.head.bytes = bytes_of(head);
  record.head.digest = placement.data.digest.value_or(Digest{});
  record.edits = options.edits;
  return write_record(record);
}

std::vector<Warning> warn_of_trailing_bytes(const GgufFile& target, bool is_one_file) {
  std::uint64_t trailing_bytes = 0;
  for (const auto& file : target.files) {
    trailing_bytes += is_one_file || file.offset == 0 ? file.offset + file.size - file.data_end : 0;
  }
  if (trailing_bytes == 0) {
    return {};
  }
  return {{"trailing-bytes", fmt::format("the target has {} bytes after its last tensor; they are not part of the "
                                         "model and are dropped",
                                         trailing_bytes)}};
}

// Whatever it is, it cannot stay where the graft's own record is to be.
std::vector<Warning> warn_of_foreign_record(const GgufFile& target) {
  if (target.find_key(kRecordKey) == nullptr || find_record(target)) {
    return {};
  }
  return {{"record-unusable", fmt::format("the target's key '{}' is no record that can be read, or is damaged: the "
                                          "graft's takes its place, and has it as an old value",
                                          kRecordKey)}};
}

void append(std::vector<Warning>& warnings, std::vector<Warning> more) {
  std::ranges::move(more, std::back_inserter(warnings));
}

Status add_record(const HeadPlacement& placement, const Head& target_head, const std::vector<TensorEntry>& head,
                  const GraftOptions& options, bool pads_head_file, Assembly& first) {
  auto labels = *options.labels;
  labels.pads_head_file = pads_head_file;
  MTPGRAFT_TRY(const auto origin, find_origin(placement.target, target_head, options, first.keys));
  first.padded_key = PaddedKey{kRecordKey, make_record(placement, head, options, labels, origin), origin.data_offset};
  MTPGRAFT_CHECK(check_record_size(first.padded_key->text.size(), origin.padding.size()));
  return ok_status();
}

// The head's own file, if the output has one.
std::optional<Assembly> make_head_file(const HeadPlacement& placement, const OtherFiles& other_files,
                                       std::size_t tensor_count, const std::vector<TensorEntry>& head,
                                       const GraftOptions& options) {
  const auto found = std::ranges::find_if(other_files, [](const auto& kept) { return !kept; });
  if (found == other_files.end()) {
    return std::nullopt;
  }
  const auto number = static_cast<std::size_t>(found - other_files.begin()) + 1;
  auto file = assemble_head_file(placement.target, number, 1 + other_files.size(), tensor_count, head);
  if (options.labels && options.labels->pads_head_file) {
    file.padded_key = pad_for_cloning(file, placement.donor);
  }
  return file;
}

std::vector<FilePlan> assemble_all(Assembly& first, std::optional<Assembly>& head_file, const OtherFiles& other_files) {
  std::vector<FilePlan> files{assemble(first)};
  for (const auto& kept : other_files) {
    files.push_back(kept ? keep_file(first.target, *kept) : assemble(*head_file));
  }
  return files;
}

}  // namespace

Result<Plan> make_graft_plan(const GgufFile& target, const GgufFile& donor, const HeadData& head_data,
                             const GraftOptions& options) {
  const auto target_head = find_head(target);
  const auto donor_head = find_head(donor);
  MTPGRAFT_CHECK(check_target(target, target_head, options.replace));
  MTPGRAFT_CHECK(check_donor(donor, donor_head, target));
  MTPGRAFT_CHECK(check_head_data(donor, donor_head, head_data));
  auto fit = check_fit(target, target_head, donor, donor_head, head_data, HeadPlace::kInModel);
  MTPGRAFT_CHECK(refuse_misfit(target, donor, fit));
  MTPGRAFT_CHECK(refuse_values(donor, head_data));
  const HeadPlacement placement{target, count_trunk_blocks(target, target_head), donor, donor_head, head_data};
  MTPGRAFT_TRY(const auto other_files, arrange_files(target, target_head, options.split));
  const bool is_one_file = other_files.empty();
  const auto file_count = 1 + other_files.size();
  const auto tensor_count = target.tensors.size() - target_head.tensors.size() + donor_head.tensors.size();

  MTPGRAFT_TRY(auto keys, set_head_keys(placement, keys_of(target)));
  if (options.labels) {
    remove_key(keys, kRecordKey);
  }
  if (file_count > 1 || target.is_split()) {
    keys = set_split_keys(file_count, tensor_count, std::move(keys));
  }
  const auto unedited = keys;
  MTPGRAFT_TRY(keys, apply_edits(target, options.edits, std::move(keys)));
  auto head = rename_head(placement);
  const auto first_file_tensors = is_one_file ? target.tensors.size() : target.files.front().tensor_count;

  Plan plan;
  plan.key_changes = describe_changes(placement, keys, options);
  plan.edited_keys = find_edited_keys(unedited, keys);
  plan.first_head_block = placement.trunk_blocks;
  plan.head_block_count = donor_head.block_count;
  plan.head_bytes = bytes_of(head);
  plan.removed_tensors = names_of_head(target, target_head);
  plan.warnings = std::move(fit.warnings);
  append(plan.warnings, warn_of_values(donor, head_data));
  append(plan.warnings, warn_of_types(target, options.edits));
  append(plan.warnings, warn_of_trailing_bytes(target, is_one_file));

  Assembly first{.target = target,
                 .keys = std::move(keys),
                 .tensors = keep_trunk(target, target_head, first_file_tensors),
                 .padded_key = {}};
  auto head_file = make_head_file(placement, other_files, tensor_count, head, options);
  if (options.labels) {
    append(plan.warnings, warn_of_foreign_record(target));
    MTPGRAFT_CHECK(add_record(placement, target_head, head, options, head_file && head_file->padded_key, first));
  }
  auto& with_head = head_file ? head_file->tensors : first.tensors;
  if (!head_file) {
    with_head.reserve(with_head.size() + head.size());
    with_head.insert(with_head.end(), head.begin(), head.end());
  }
  plan.files = assemble_all(first, head_file, other_files);
  // The same entries, with their offsets.
  std::copy(with_head.end() - static_cast<std::ptrdiff_t>(head.size()), with_head.end(), head.begin());
  plan.head_tensors = describe_head(head);
  return plan;
}

std::uint64_t Plan::output_size() const {
  std::uint64_t bytes = 0;
  for (const auto& file : files) {
    bytes += file.output_size;
  }
  return bytes;
}

std::uint64_t Plan::tensor_count() const {
  std::uint64_t count = 0;
  for (const auto& file : files) {
    count += file.tensor_count;
  }
  return count;
}

}  // namespace mtpgraft
