// The keys of an output, in order: those of a file, some changed, taken out or added; and what differs between two
// such lists.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/gguf.h"
#include "mtpgraft/key_edits.h"
#include "plan/record.h"

namespace mtpgraft {

struct KeyEntry {
  std::string key;
  const KeyValue* item = nullptr;  // copied as it is; null: `value` is written
  GgufValue value{};

  // What is held of the value: all of it, unless it is copied and long.
  [[nodiscard]] const GgufValue& held_value() const { return item != nullptr ? item->value : value; }
  // Nothing if it is not held as a whole.
  [[nodiscard]] std::optional<GgufValue> complete_value() const {
    return item != nullptr ? item->complete_value() : value;
  }
};

using KeyList = std::vector<KeyEntry>;

// All keys but a record that can be read. `file` must outlive the list.
KeyList keys_of(const GgufFile& file);

const KeyEntry* find_key(const KeyList& keys, std::string_view key);

// In its place, or at the end.
void set_key(KeyList& keys, std::string_view key, GgufValue value);
void remove_key(KeyList& keys, std::string_view key);

// A key that `before` and `after` do not have both as the same bytes of a file.
struct KeyDifference {
  const KeyEntry* before;            // null: the key is new
  const KeyEntry* after;             // null: the key is gone
  std::optional<std::size_t> place;  // in `before`, if `after` has the key no more or in another place

  [[nodiscard]] const std::string& key() const { return before != nullptr ? before->key : after->key; }
};

// In the order of `before`, then the new keys. Both lists must outlive the result.
std::vector<KeyDifference> diff_keys(const KeyList& before, const KeyList& after);

// What became of keys between the two, but for those that stand where they stood with the same value.
std::vector<EditedKey> find_edited_keys(const KeyList& before, const KeyList& after);

// What the record must keep to turn `now` into `before` again. Fails with kUnsupported if a value is too large for it.
Result<std::vector<OldKey>> find_old_keys(const KeyList& before, const KeyList& now);

// `now` as it was; nothing if it has not the keys that `old` names.
std::optional<KeyList> undo_keys(KeyList now, const std::vector<OldKey>& old);

// For people to read.
KeyChange describe_change(const KeyDifference& difference);

}  // namespace mtpgraft
