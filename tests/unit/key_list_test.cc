#include "plan/key_list.h"

#include <fmt/core.h>

#include <random>

#include "edit_gguf.h"
#include "gguf/serialize.h"
#include "matchers.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;

GgufFile file_with(const std::vector<std::string>& keys) {
  GgufFile file;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    set_u32(file, keys[i], static_cast<std::uint32_t>(i));
  }
  return file;
}

// Keys and values in order, however they are held.
std::vector<std::pair<std::string, GgufValue>> content(const KeyList& keys) {
  std::vector<std::pair<std::string, GgufValue>> content;
  for (const auto& [key, item, value] : keys) {
    content.emplace_back(key, item != nullptr ? item->complete_value().value() : value);
  }
  return content;
}

std::vector<std::string> names(const KeyList& keys) {
  std::vector<std::string> names;
  for (const auto& entry : keys) {
    names.push_back(entry.key);
  }
  return names;
}

// Checks that what is kept of `before` makes it of `now` again, and returns it.
std::vector<OldKey> expect_undone(const KeyList& before, const KeyList& now) {
  const auto old = find_old_keys(before, now);
  EXPECT_THAT(old, IsOk());
  const auto undone = undo_keys(now, old.value());
  EXPECT_TRUE(undone);
  EXPECT_EQ(content(undone.value_or(KeyList{})), content(before));
  return old.value();
}

TEST(KeyList, HasAllKeysButARecordThatCanBeRead) {
  auto file = file_with({"a", "mtpgraft.record", "b"});
  EXPECT_THAT(names(keys_of(file)), ElementsAre("a", "mtpgraft.record", "b"));
  set_text(file, "mtpgraft.record", write_record({}));
  EXPECT_THAT(names(keys_of(file)), ElementsAre("a", "b"));
}

TEST(KeyList, SetsInPlaceOrAtTheEnd) {
  const auto file = file_with({"a", "b"});
  auto keys = keys_of(file);
  set_key(keys, "a", u32_value(9));
  set_key(keys, "c", u32_value(8));
  remove_key(keys, "b");
  remove_key(keys, "none");
  EXPECT_THAT(names(keys), ElementsAre("a", "c"));
  EXPECT_EQ(keys[0].value, u32_value(9));
}

TEST(KeyList, KeepsNothingOfWhatDidNotChange) {
  const auto file = file_with({"a", "b"});
  EXPECT_TRUE(expect_undone(keys_of(file), keys_of(file)).empty());
}

TEST(KeyList, UndoesChangedAndNewKeys) {
  const auto file = file_with({"a", "b", "c"});
  auto now = keys_of(file);
  set_key(now, "b", string_value("x"));
  set_key(now, "d", u32_value(7));
  const auto old = expect_undone(keys_of(file), now);
  ASSERT_EQ(old.size(), 2U);
  EXPECT_EQ(old[0].value, u32_value(1));
  EXPECT_FALSE(old[0].place);
  EXPECT_FALSE(old[1].value);
}

TEST(KeyList, UndoesEverySetOfRemovedKeys) {
  const std::vector<std::string> keys{"a", "b", "c", "d", "e"};
  const auto file = file_with(keys);
  for (unsigned removed = 0; removed < 1U << keys.size(); ++removed) {
    auto now = keys_of(file);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if ((removed >> i & 1) != 0) {
        remove_key(now, keys[i]);
      }
    }
    set_key(now, "new", u32_value(1));
    const auto old = expect_undone(keys_of(file), now);
    for (const auto& entry : old) {
      EXPECT_EQ(entry.place.has_value(), entry.key != "new");
      EXPECT_TRUE(!entry.place || keys[*entry.place] == entry.key);
    }
  }
}

// Taken out and set again, a key stands at the end.
TEST(KeyList, UndoesKeysThatMoved) {
  const auto file = file_with({"a", "b", "c"});
  for (const auto* moved : {"a", "b", "c"}) {
    auto now = keys_of(file);
    remove_key(now, moved);
    set_key(now, moved, u32_value(99));
    expect_undone(keys_of(file), now);
  }
}

TEST(KeyList, UndoesRandomEdits) {
  std::mt19937 random(1);
  const auto file = file_with({"a", "b", "c", "d", "e", "f"});
  const auto before = keys_of(file);
  for (int round = 0; round < 3000; ++round) {
    SCOPED_TRACE(round);
    auto now = before;
    for (auto edits = random() % 8; edits > 0; --edits) {
      const std::string key(1, static_cast<char>('a' + random() % 8));
      if (random() % 2 == 0) {
        remove_key(now, key);
      } else {
        set_key(now, key, u32_value(static_cast<std::uint32_t>(random() % 3)));
      }
    }
    const auto old = expect_undone(before, now);
    // Edits of edits: the second graft over the first, whose list of old keys has no items.
    const auto restored = undo_keys(now, old).value();
    auto second = now;
    remove_key(second, "c");
    set_key(second, "b", u32_value(5));
    const auto second_old = find_old_keys(restored, second).value();
    EXPECT_EQ(content(undo_keys(second, second_old).value()), content(before));
  }
}

TEST(KeyList, RefusesToUndoWhatIsNotThere) {
  const auto file = file_with({"a", "b"});
  const auto keys = keys_of(file);
  EXPECT_FALSE(undo_keys(keys, {{"c", u32_value(1), std::nullopt}}));
  EXPECT_FALSE(undo_keys(keys, {{"c", std::nullopt, std::nullopt}}));
  EXPECT_FALSE(undo_keys(keys, {{"c", u32_value(1), 3}}));
  EXPECT_TRUE(undo_keys(keys, {{"c", u32_value(1), 2}}));
}

// Somebody has set the key again that the graft took out: no file may have it twice.
TEST(KeyList, NeverDoublesAKey) {
  const auto file = file_with({"a", "b", "c"});
  const auto undone = undo_keys(keys_of(file), {{"c", u32_value(7), 0}});
  ASSERT_TRUE(undone);
  EXPECT_THAT(names(*undone), ElementsAre("c", "a", "b"));
  EXPECT_EQ(undone->front().value, u32_value(7));
}

TEST(KeyList, RefusesValuesThatTheRecordCannotHold) {
  auto file = file_with({"a", "b"});
  file.keys[0].end += KeyValue::kKeptValueBytes;  // longer than what is kept of it
  auto now = keys_of(file);
  remove_key(now, "a");
  const auto old = find_old_keys(keys_of(file), now);
  EXPECT_THAT(old, FailsWith(ErrorCode::kUnsupported, "the old value of key 'a' has 65540 bytes"));
  EXPECT_EQ(old.error().remedy, Remedy::kOmitRecord);
}

TEST(KeyList, RefusesNamesThatTheRecordCannotHold) {
  KeyList now;
  set_key(now, "a.\xff", u32_value(1));
  EXPECT_THAT(find_old_keys({}, now), FailsWith(ErrorCode::kUnsupported, "is not UTF-8"));
  EXPECT_THAT(find_old_keys(now, {}), FailsWith(ErrorCode::kUnsupported, "is not UTF-8"));
}

TEST(EditedKeys, AreThoseWithOtherValuesOrPlaces) {
  const auto file = file_with({"a", "b", "c", "d", "e"});
  const auto before = keys_of(file);
  auto after = before;
  set_key(after, "a", u32_value(0));  // what it was
  set_key(after, "b", u32_value(9));
  remove_key(after, "c");
  remove_key(after, "d");
  set_key(after, "d", u32_value(3));  // what it was, behind e
  set_key(after, "f", string_value("new"));
  const auto edited = find_edited_keys(before, after);
  ASSERT_EQ(edited.size(), 4U);
  EXPECT_EQ(edited[0].key, "b");
  EXPECT_EQ(edited[0].from->value, u32_value(1));
  EXPECT_EQ(edited[0].to->value, u32_value(9));
  EXPECT_EQ(edited[0].to->bytes, 4U);
  EXPECT_EQ(edited[1].key, "c");
  EXPECT_FALSE(edited[1].to);
  EXPECT_EQ(edited[2].key, "d");
  EXPECT_EQ(edited[2].from->digest, edited[2].to->digest);
  EXPECT_EQ(edited[3].key, "f");
  EXPECT_FALSE(edited[3].from);
  EXPECT_EQ(edited[3].to->bytes, 3U);
}

}  // namespace
}  // namespace mtpgraft
