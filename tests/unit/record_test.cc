#include "plan/record.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <span>

#include "gguf/serialize.h"
#include "util/hash.h"

namespace mtpgraft {
namespace {

Record example() {
  Record record;
  record.labels = {"mtpgraft 0.1.0", "model-Q4_K_M.gguf", "donor \"quoted\" ünï.gguf"};
  record.origin = {"model-Q4_K_M.gguf",
                   6720000,
                   32,
                   162,
                   36416,
                   Digest{1, 2},
                   {{"qwen35.block_count", u32_value(12), std::nullopt},
                    {"general.name", string_value("\xff\"'"), 3},
                    {"qwen35.nextn_predict_layers", std::nullopt, std::nullopt}},
                   {std::byte{0}, std::byte{0xFE}}};
  record.donor_architecture = "qwen35";
  record.donor_blocks = {8, 9};
  record.donor_name = "a\nname";
  record.head = {{12, 13}, 30, 123456789012, {0x0123456789ABCDEF, 0xFEDCBA9876543210}};
  return record;
}

void expect_equal(const Record& a, const Record& b) {
  EXPECT_EQ(a.labels.tool, b.labels.tool);
  EXPECT_EQ(a.labels.target_file, b.labels.target_file);
  EXPECT_EQ(a.labels.donor_file, b.labels.donor_file);
  EXPECT_EQ(a.labels.donor_commit, b.labels.donor_commit);
  EXPECT_EQ(a.origin.file, b.origin.file);
  EXPECT_EQ(a.origin.size, b.origin.size);
  EXPECT_EQ(a.origin.key_count, b.origin.key_count);
  EXPECT_EQ(a.origin.tensor_count, b.origin.tensor_count);
  EXPECT_EQ(a.origin.data_offset, b.origin.data_offset);
  EXPECT_EQ(a.origin.header_digest, b.origin.header_digest);
  ASSERT_EQ(a.origin.old_keys.size(), b.origin.old_keys.size());
  for (std::size_t i = 0; i < a.origin.old_keys.size(); ++i) {
    EXPECT_EQ(a.origin.old_keys[i].key, b.origin.old_keys[i].key);
    EXPECT_EQ(a.origin.old_keys[i].value, b.origin.old_keys[i].value);
    EXPECT_EQ(a.origin.old_keys[i].place, b.origin.old_keys[i].place);
  }
  EXPECT_EQ(a.origin.padding, b.origin.padding);
  EXPECT_EQ(a.donor_architecture, b.donor_architecture);
  EXPECT_EQ(a.donor_blocks, b.donor_blocks);
  EXPECT_EQ(a.donor_name, b.donor_name);
  EXPECT_EQ(a.head.blocks, b.head.blocks);
  EXPECT_EQ(a.head.tensor_count, b.head.tensor_count);
  EXPECT_EQ(a.head.bytes, b.head.bytes);
  EXPECT_EQ(a.head.digest, b.head.digest);
}

TEST(Record, ReadsWhatItWrites) {
  const auto text = write_record(example());
  const auto record = read_record(text);
  ASSERT_TRUE(record);
  expect_equal(*record, example());
  EXPECT_EQ(write_record(*record), text);
}

// Of a donor on the hub; what is no commit is not passed on to people or to other records.
TEST(Record, HasTheCommitOfTheDonorsRepository) {
  auto record = example();
  EXPECT_EQ(write_record(record).find("commit"), std::string::npos);
  record.labels.donor_commit = "0123456789abcdef0123456789abcdef01234567";
  const auto text = write_record(record);
  EXPECT_EQ(nlohmann::ordered_json::parse(text)["donor"]["commit"], record.labels.donor_commit);
  EXPECT_EQ(read_record(text)->labels.donor_commit, record.labels.donor_commit);
  for (const std::string other : {"main", "0123", "0123456789ABCDEF0123456789ABCDEF01234567", "\x1b[31m",
                                  "0123456789abcdef0123456789abcdef012345678"}) {
    record.labels.donor_commit = other;
    const auto read = read_record(write_record(record));
    ASSERT_TRUE(read) << other;
    EXPECT_EQ(read->labels.donor_commit, "") << other;
  }
}

// What had its name and was none is an old value like any other; a record as one would make a trunk a graft.
TEST(Record, MayHaveWhatIsNoRecordAsAnOldValue) {
  const auto with_old = [](std::optional<GgufValue> value) {
    auto record = example();
    record.origin.old_keys.push_back({std::string(kRecordKey), std::move(value), 4});
    return read_record(write_record(record)).has_value();
  };
  EXPECT_TRUE(with_old(string_value("not JSON")));
  EXPECT_TRUE(with_old(u32_value(7)));
  EXPECT_FALSE(with_old(string_value(write_record(example()))));
  EXPECT_FALSE(with_old(std::nullopt));
}

TEST(Record, IsOneLineOfAsciiJson) {
  const auto text = write_record(example());
  for (const char c : text) {
    EXPECT_TRUE(c >= 0x20 && c < 0x7F);
  }
  const auto json = nlohmann::ordered_json::parse(text);
  std::vector<std::string> names;
  for (const auto& [name, value] : json.items()) {
    names.push_back(name);
  }
  EXPECT_THAT(names, testing::ElementsAre("record", "tool", "target", "keys", "donor", "head", "xxh128"));
  EXPECT_EQ(json["head"]["xxh128"], "0123456789abcdeffedcba9876543210");
}

// Equal inputs must give equal bytes on every machine.
TEST(Record, HoldsNoTimeHostOrPath) {
  EXPECT_EQ(write_record(example()), write_record(example()));
  const auto text = write_record(example());
  for (const std::string word : {"time", "date", "host", "path", "user", "/"}) {
    EXPECT_EQ(text.find(word), std::string::npos) << word;
  }
}

TEST(Record, IgnoresSpacesAtTheEnd) {
  const auto text = write_record(example());
  for (const std::size_t count : {1U, 100U, 4095U}) {
    ASSERT_TRUE(read_record(text + std::string(count, ' ')));
  }
  EXPECT_FALSE(read_record(text + "\n"));
  EXPECT_FALSE(read_record(text + "  x"));
  EXPECT_FALSE(read_record(" " + text));
}

TEST(Record, NoticesEveryChangedCharacter) {
  const auto text = write_record(example());
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char c : {' ', '0', '1', 'a', 'F', '"', '}', '\0', static_cast<char>(text[i] ^ 0x20)}) {
      auto changed = text;
      changed[i] = c;
      EXPECT_EQ(read_record(changed).has_value(), changed == text) << i << ": " << c;
    }
  }
}

TEST(Record, NoticesEveryMissingOrAddedCharacter) {
  const auto text = write_record(example());
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(read_record(text.substr(0, i))) << i;
    EXPECT_FALSE(read_record(std::string(text).erase(i, 1))) << i;
    EXPECT_FALSE(read_record(std::string(text).insert(i, " "))) << i;
  }
}

TEST(Record, RefusesWhatIsNoRecord) {
  for (const std::string_view text : {"", " ", "{}", "null", "[1,2]", "not json", R"(,"xxh128":")"}) {
    EXPECT_FALSE(read_record(text)) << text;
  }
}

// The example's text with one part replaced, and a digest that fits.
std::string altered(std::string_view from, std::string_view to) {
  auto text = write_record(example());
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  text.resize(text.rfind(",\"xxh128\""));
  return fmt::format(R"({},"xxh128":"{}"}})", text, to_hex(digest_of(std::as_bytes(std::span(text)))));
}

TEST(Record, RefusesNumbersThatAreNoCounts) {
  for (const std::string_view number : {"-1", "0.5", "1e300", "18446744073709551616", "\"1\"", "null"}) {
    for (const std::string_view field : {R"("size":6720000)", R"("n_kv":32)", R"("n_tensors":162)", R"("place":3)",
                                         R"("data_offset":36416)", R"("tensors":30)", R"("bytes":123456789012)"}) {
      const auto name = field.substr(0, field.find(':'));
      EXPECT_FALSE(read_record(altered(field, fmt::format("{}:{}", name, number)))) << field << " " << number;
    }
    EXPECT_FALSE(read_record(altered("[8,9]", fmt::format("[8,{}]", number)))) << number;
  }
  EXPECT_TRUE(read_record(altered(R"("size":6720000)", R"("size":18446744073709551615)")));
}

TEST(Record, RefusesOldValuesThatMakeNoHeader) {
  constexpr std::string_view kOld = R"({"type":"u32","value":12})";
  for (const auto* value :
       {R"({"type":"u32","hex":"00","count":1})", R"({"type":"u32","hex":"0000000000000000","count":2})",
        R"({"type":"u32[]","hex":"00000000","count":2})", R"({"type":"u32[]","hex":"","count":4611686018427387904})",
        R"({"type":"string[]","hex":"0100000000000000","count":1})", R"({"type":"string[]","hex":"00","count":0})",
        R"({"type":"string","hex":"00","count":2})", R"({"type":"u32[]","hex":"","count":-1})"}) {
    EXPECT_FALSE(read_record(altered(kOld, value))) << value;
  }
  for (const auto* key : {R"("general.alignment":)", R"("general\u0000x":)", R"("":)"}) {
    EXPECT_FALSE(read_record(altered(R"("qwen35.block_count":)", key))) << key;
  }
  EXPECT_TRUE(read_record(altered(kOld, R"({"type":"u32[]","hex":"0000000000000000","count":2})")));
  EXPECT_TRUE(read_record(altered(kOld, R"({"type":"string[]","hex":"0100000000000000ff","count":1})")));
}

TEST(Record, RefusesDeepNesting) {
  const auto deep = std::string(20'000, '[') + std::string(20'000, ']');
  EXPECT_FALSE(read_record(altered(R"("head":{)", fmt::format(R"("edits":{},"head":{{)", deep))));
}

// Names of files are bytes, and JSON is Unicode.
TEST(Record, CopesWithInvalidUtf8) {
  auto record = example();
  record.labels.donor_file = "bad \xff name.gguf";
  record.donor_name = "\xc3";
  const auto text = write_record(record);
  const auto read = read_record(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(write_record(*read), text);
}

}  // namespace
}  // namespace mtpgraft
