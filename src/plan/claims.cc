// What a graft's record tells of keys that its user changed.
#include <algorithm>

#include "plan/head_tensors.h"
#include "plan/key_list.h"
#include "plan/record.h"

namespace mtpgraft {
namespace {

bool is_edited(const Record& record, std::string_view key) {
  return std::ranges::find(record.edits, key, &KeyEdit::key) != record.edits.end();
}

// An array with an entry for each block, of which the trunk's are what they were.
bool is_layer_array(const EditedKey& key, std::uint64_t trunk_blocks, std::uint64_t block_count) {
  if (!key.from || !key.to || !key.from->value.is_array() || !key.to->value.is_array() ||
      key.from->value.element_type != key.to->value.element_type) {
    return false;
  }
  const auto& before = key.from->value;
  const auto& after = key.to->value;
  const auto element_bytes = value_type_bytes(before.element_type);
  const auto trunk_bytes = trunk_blocks * element_bytes;
  const bool has_entries = before.element_count == trunk_blocks || before.element_count == block_count;
  return element_bytes > 0 && has_entries && after.element_count == block_count &&
         std::min(before.bytes.size(), after.bytes.size()) >= trunk_bytes &&
         std::equal(before.bytes.begin(), before.bytes.begin() + static_cast<std::ptrdiff_t>(trunk_bytes),
                    after.bytes.begin());
}

// A head changes these, whoever grafts it.
bool is_of_head(const EditedKey& key, const GgufFile& file, std::uint64_t trunk_blocks, std::uint64_t block_count) {
  return is_depth_key(file, key.key) || key.key.starts_with("split.") || is_layer_array(key, trunk_blocks, block_count);
}

}  // namespace

std::optional<GraftClaims> find_graft_claims(const GgufFile& file) {
  const auto record = find_record(file);
  if (!record) {
    return std::nullopt;
  }
  GraftClaims claims{record->labels, {}};
  const auto now = keys_of(file);
  if (const auto before = undo_keys(now, record->origin.old_keys)) {
    claims.edits = find_edited_keys(*before, now);
    const auto head = find_head(file);
    const auto trunk_blocks = count_trunk_blocks(file, head);
    const auto block_count = trunk_blocks + head.block_count;
    std::erase_if(claims.edits, [&](const EditedKey& key) {
      return !is_edited(*record, key.key) && is_of_head(key, file, trunk_blocks, block_count);
    });
    return claims;
  }
  // Keys that it tells of are gone since: what it says of the others.
  for (const auto& edit : record->edits) {
    KeyList asked;
    if (edit.value) {
      set_key(asked, edit.key, *edit.value);
    }
    auto key = find_edited_keys({}, asked);
    claims.edits.push_back(key.empty() ? EditedKey{edit.key, {}, {}} : std::move(key.front()));
  }
  return claims;
}

}  // namespace mtpgraft
