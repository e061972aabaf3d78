#include "plan/key_list.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "gguf/describe.h"
#include "util/hash.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

std::unordered_map<std::string_view, std::size_t> index_keys(const KeyList& keys) {
  std::unordered_map<std::string_view, std::size_t> index;
  index.reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    index.emplace(keys[i].key, i);
  }
  return index;
}

HeldValue hold(const KeyEntry& entry) {
  const auto* item = entry.item;
  return item != nullptr ? HeldValue{item->value, item->value_bytes(), item->digest}
                         : HeldValue{entry.value, entry.value.bytes.size(), digest_of(entry.value.bytes)};
}

bool is_same(const HeldValue& a, const HeldValue& b) {
  return a.value.type == b.value.type && a.value.element_type == b.value.element_type &&
         a.value.element_count == b.value.element_count && a.bytes == b.bytes && a.digest == b.digest;
}

}  // namespace

KeyList keys_of(const GgufFile& file) {
  KeyList keys;
  keys.reserve(file.keys.size());
  const bool has_record = find_record(file).has_value();
  for (const auto& item : file.keys) {
    if (item.key != kRecordKey || !has_record) {
      keys.push_back({item.key, &item});
    }
  }
  return keys;
}

const KeyEntry* find_key(const KeyList& keys, std::string_view key) {
  const auto found = std::ranges::find(keys, key, &KeyEntry::key);
  return found != keys.end() ? &*found : nullptr;
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

std::vector<KeyDifference> diff_keys(const KeyList& before, const KeyList& after) {
  const auto places_before = index_keys(before);
  const auto places_after = index_keys(after);
  std::vector<KeyDifference> differences;
  auto first_behind = after.size();  // of the keys behind before[i], the first of `after`
  for (auto i = before.size(); i-- > 0;) {
    const auto found = places_after.find(before[i].key);
    const auto at = found != places_after.end() ? found->second : after.size();
    // A key that was taken out and set again stands behind keys that it stood in front of.
    const bool has_place = at == after.size() || first_behind < at;
    first_behind = std::min(first_behind, at);
    const auto* now = at < after.size() ? &after[at] : nullptr;
    if (now == nullptr || before[i].item == nullptr || now->item != before[i].item) {
      differences.push_back({&before[i], now, has_place ? std::optional(i) : std::nullopt});
    }
  }
  std::ranges::reverse(differences);
  for (const auto& entry : after) {
    if (!places_before.contains(entry.key)) {
      differences.push_back({nullptr, &entry, std::nullopt});
    }
  }
  return differences;
}

std::vector<EditedKey> find_edited_keys(const KeyList& before, const KeyList& after) {
  std::vector<EditedKey> edited;
  for (const auto& difference : diff_keys(before, after)) {
    EditedKey key{difference.key(), std::nullopt, std::nullopt};
    if (difference.before != nullptr) {
      key.from = hold(*difference.before);
    }
    if (difference.after != nullptr) {
      key.to = hold(*difference.after);
    }
    if (!key.from || !key.to || difference.place || !is_same(*key.from, *key.to)) {
      edited.push_back(std::move(key));
    }
  }
  return edited;
}

Result<std::vector<OldKey>> find_old_keys(const KeyList& before, const KeyList& now) {
  std::vector<OldKey> old;
  for (const auto& difference : diff_keys(before, now)) {
    const auto& key = difference.key();
    if (!is_utf8(key)) {
      return Error{.code = ErrorCode::kUnsupported,
                   .message = fmt::format("the name of key '{}' is not UTF-8, which the record needs", key),
                   .remedy = Remedy::kOmitRecord};
    }
    auto value = difference.before != nullptr ? difference.before->complete_value() : std::nullopt;
    if (difference.before != nullptr && !value) {
      return Error{.code = ErrorCode::kUnsupported,
                   .message = fmt::format("the old value of key '{}' has {} bytes, too many for the record", key,
                                          difference.before->item->value_bytes()),
                   .remedy = Remedy::kOmitRecord};
    }
    old.push_back({key, std::move(value), difference.place});
  }
  return old;
}

std::optional<KeyList> undo_keys(KeyList now, const std::vector<OldKey>& old) {
  std::unordered_map<std::string_view, const OldKey*> old_by_key;
  std::size_t without_place = 0;
  for (const auto& entry : old) {
    old_by_key[entry.key] = &entry;
    without_place += entry.place ? 0 : 1;
  }
  KeyList before;
  before.reserve(now.size() + old.size());
  for (auto& entry : now) {
    const auto found = old_by_key.find(entry.key);
    if (found == old_by_key.end()) {
      before.push_back(std::move(entry));
    } else if (const auto& [key, value, place] = *found->second; !place) {
      --without_place;
      if (value) {
        before.push_back({key, nullptr, *value});
      }
    }
  }
  if (without_place != 0) {
    return std::nullopt;
  }
  // In the order of their places, so that each finds those before it.
  for (const auto& [key, value, place] : old) {
    if (place) {
      if (*place > before.size()) {
        return std::nullopt;
      }
      before.insert(before.begin() + static_cast<std::ptrdiff_t>(*place), {key, nullptr, value.value_or(GgufValue{})});
    }
  }
  return before;
}

KeyChange describe_change(const KeyDifference& difference) {
  const auto& [before, after, place] = difference;
  return {difference.key(), type_name((after != nullptr ? after : before)->held_value()),
          before != nullptr ? describe_value(before->held_value()) : "",
          after != nullptr ? describe_value(after->held_value()) : "none"};
}

}  // namespace mtpgraft
