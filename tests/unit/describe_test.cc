// Values as they are shown to people.
#include "gguf/describe.h"

#include <algorithm>

#include "gguf_values.h"
#include "matchers.h"

namespace mtpgraft {
namespace {

TEST(DescribeValue, WritesNumbersAsPeopleDo) {
  EXPECT_EQ(describe_value(u32_value(13)), "13");
  EXPECT_EQ(describe_value(scalar_of<std::int32_t>(ValueType::kI32, -7)), "-7");
  EXPECT_EQ(describe_value(scalar_of<std::uint64_t>(ValueType::kU64, UINT64_MAX)), "18446744073709551615");
  EXPECT_EQ(describe_value(scalar_of<std::uint8_t>(ValueType::kBool, 1)), "true");
  EXPECT_EQ(describe_value(scalar_of<std::uint8_t>(ValueType::kBool, 0)), "false");
  EXPECT_EQ(describe_value(f32_value(1e-6F)), "1e-06");
  EXPECT_EQ(describe_value(f32_value(0.1F)), "0.1");
  EXPECT_EQ(describe_value(scalar_of(ValueType::kF64, 0.1)), "0.1");
  EXPECT_EQ(describe_value(scalar_of(ValueType::kF64, 1.0 / 3)), "0.3333333333333333");
}

TEST(DescribeValue, ShortensTextButSaysHowLongItIs) {
  EXPECT_EQ(describe_value(string_value("yarn")), "\"yarn\"");
  EXPECT_EQ(describe_value(string_value("")), "\"\"");
  EXPECT_EQ(describe_value(string_value("a\nb")), R"("a\nb")");
  const std::string longest(72, 'x');
  EXPECT_EQ(quote(longest), '"' + longest + '"');
  EXPECT_EQ(quote(longest + 'y'), '"' + longest + "... (73 bytes)\"");
}

// A pattern over the layers is shown as a whole, a tokenizer is not.
TEST(DescribeValue, ShortensListsThatAreLongerThanModelsAreDeep) {
  EXPECT_EQ(describe_value(array_of<std::uint32_t>(ValueType::kU32, {})), "[]");
  EXPECT_EQ(describe_value(array_of<std::uint8_t>(ValueType::kBool, {1, 0})), "[true, false]");
  const auto whole = describe_value(array_of(ValueType::kU32, std::vector<std::uint32_t>(128, 4)));
  EXPECT_EQ(std::ranges::count(whole, '4'), 128);
  EXPECT_TRUE(whole.ends_with(", 4]"));
  EXPECT_EQ(describe_value(array_of(ValueType::kU32, std::vector<std::uint32_t>(129, 4))), "[4, 4, 4, 4, 4, 4, ...]");
  EXPECT_EQ(describe_value(strings_of({"a", "b", "c", "d", "e", "f"})), R"(["a", "b", "c", "d", "e", "f"])");
  EXPECT_EQ(describe_value(strings_of({"a", "b", "c", "d", "e", "f", "g"})), R"(["a", "b", "c", "d", "e", "f", ...])");
}

TEST(DescribeValue, OfWhichOnlyTheBeginningIsKeptSaysSo) {
  auto value = array_of<std::uint32_t>(ValueType::kU32, {1, 2, 3});
  value.bytes.resize(8);
  EXPECT_EQ(describe_value(value), "[1, 2, ?]");
  auto names = strings_of({"a", "b", "c"});
  names.bytes.resize(names.bytes.size() - 1);
  EXPECT_EQ(describe_value(names), R"(["a", "b", ...])");
}

TEST(DescribeType, TellsElementsAndTheirCount) {
  EXPECT_EQ(describe_type(u32_value(1)), "u32");
  EXPECT_EQ(describe_type(string_value("x")), "string");
  EXPECT_EQ(describe_type(array_of<std::uint8_t>(ValueType::kBool, {1, 0, 1})), "bool[3]");
}

TEST(DescribeBoth, ShowsWhereLongTextsPart) {
  EXPECT_THAT(describe_both(string_value("a"), string_value("b")), testing::Pair("\"a\"", "\"b\""));
  const std::string start(100, 'x');
  EXPECT_THAT(describe_both(string_value(start + "old"), string_value(start + "new!")),
              testing::Pair("\"..." + std::string(24, 'x') + "old\" (103 bytes)",
                            "\"..." + std::string(24, 'x') + "new!\" (104 bytes)"));
  // Not within a character.
  const std::string umlauts = start + "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4!";
  EXPECT_THAT(describe_both(string_value(umlauts), string_value(umlauts + "?")).first,
              testing::StartsWith("\"...\u00e4"));
  // Where nothing that is held differs, that is said.
  const auto [one, other] = describe_both(string_value("a"), string_value("a"));
  EXPECT_NE(one, other);
}

}  // namespace
}  // namespace mtpgraft
