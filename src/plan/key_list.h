// The keys of an output, in order: those of a file, some changed, taken out or added.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/gguf.h"
#include "plan/record.h"

namespace mtpgraft {

struct KeyEntry {
  std::string key;
  const KeyValue* item = nullptr;  // copied as it is; null: `value` is written
  GgufValue value{};
};

using KeyList = std::vector<KeyEntry>;

// All keys but the record. `file` must outlive the list.
KeyList keys_of(const GgufFile& file);

// In its place, or at the end.
void set_key(KeyList& keys, std::string_view key, GgufValue value);
void remove_key(KeyList& keys, std::string_view key);

// What the record must keep to turn `now` into `before` again. Fails with kUnsupported if a value is too large for it.
Result<std::vector<OldKey>> find_old_keys(const KeyList& before, const KeyList& now);

// `now` as it was; nothing if it has not the keys that `old` tells of.
std::optional<KeyList> undo_keys(KeyList now, const std::vector<OldKey>& old);

}  // namespace mtpgraft
