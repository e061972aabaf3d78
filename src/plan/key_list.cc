#include "plan/key_list.h"

#include <fmt/core.h>

#include <algorithm>

#include "util/text.h"

namespace mtpgraft {

KeyList keys_of(const GgufFile& file) {
  KeyList keys;
  keys.reserve(file.keys.size());
  for (const auto& item : file.keys) {
    if (item.key != kRecordKey) {
      keys.push_back({item.key, &item});
    }
  }
  return keys;
}

void set_key(KeyList& keys, std::string_view key, GgufValue value) {
  const auto found = std::ranges::find(keys, key, &KeyEntry::key);
  KeyEntry entry{std::string(key), nullptr, std::move(value)};
  if (found != keys.end()) {
    *found = std::move(entry);
  } else {
    keys.push_back(std::move(entry));
  }
}

void remove_key(KeyList& keys, std::string_view key) {
  std::erase_if(keys, [&](const KeyEntry& entry) { return entry.key == key; });
}

Result<std::vector<OldKey>> find_old_keys(const KeyList& before, const KeyList& now) {
  constexpr const char* kHint = "with --no-record it can be changed, but not be restored by 'strip'";
  std::vector<OldKey> old;
  auto first_behind = now.end();  // of the keys behind before[i], the first of `now`
  for (auto i = before.size(); i-- > 0;) {
    const auto& entry = before[i];
    const auto found = std::ranges::find(now, entry.key, &KeyEntry::key);
    // A key that was taken out and set again stands behind keys that it stood in front of.
    const bool has_place = found == now.end() || first_behind < found;
    first_behind = std::min(first_behind, found);
    if (found != now.end() && entry.item != nullptr && found->item == entry.item) {
      continue;
    }
    auto value = entry.item != nullptr ? entry.item->value() : std::optional(entry.value);
    if (!value) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("the old value of key '{}' has {} bytes, too many for the record", entry.key,
                               entry.item->value_bytes()),
                   {},
                   {},
                   kHint};
    }
    old.push_back({entry.key, std::move(value), has_place ? std::optional(i) : std::nullopt});
  }
  std::ranges::reverse(old);
  for (const auto& entry : now) {
    if (std::ranges::find(before, entry.key, &KeyEntry::key) == before.end()) {
      old.push_back({entry.key, std::nullopt, std::nullopt});
    }
  }
  const auto odd = std::ranges::find_if(old, [](const OldKey& entry) { return !is_utf8(entry.key); });
  if (odd != old.end()) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("the name of key '{}' is not UTF-8, which the record needs", odd->key),
                 {},
                 {},
                 kHint};
  }
  return old;
}

std::optional<KeyList> undo_keys(KeyList now, const std::vector<OldKey>& old) {
  for (const auto& [key, value, place] : old) {
    if (place) {
      remove_key(now, key);
      continue;
    }
    if (std::ranges::find(now, key, &KeyEntry::key) == now.end()) {
      return std::nullopt;
    }
    if (value) {
      set_key(now, key, *value);
    } else {
      remove_key(now, key);
    }
  }
  // In the order of their places, so that each finds those before it.
  for (const auto& [key, value, place] : old) {
    if (place) {
      if (*place > now.size()) {
        return std::nullopt;
      }
      now.insert(now.begin() + static_cast<std::ptrdiff_t>(*place), {key, nullptr, value.value_or(GgufValue{})});
    }
  }
  return now;
}

}  // namespace mtpgraft
