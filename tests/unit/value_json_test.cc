#include "plan/value_json.h"

#include <bit>
#include <cmath>
#include <limits>

#include "gguf/serialize.h"
#include "gguf_values.h"
#include "matchers.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;

// As the record holds it: JSON that was written and read again.
Json written(const GgufValue& value) { return Json::parse(value_to_json(value).dump(-1, ' ', true)); }

std::vector<std::string> fields(const Json& json) {
  std::vector<std::string> names;
  for (const auto& [name, value] : json.items()) {
    names.push_back(name);
  }
  return names;
}

void expect_plain(const GgufValue& value, std::string_view type, std::string_view json) {
  const auto text = written(value);
  EXPECT_THAT(fields(text), ElementsAre("type", "value"));
  EXPECT_EQ(text.at("type"), type);
  EXPECT_EQ(text.at("value").dump(), json);
  EXPECT_EQ(value_from_json(text), value) << text;
}

void expect_hex(const GgufValue& value, std::string_view type, std::string_view hex) {
  const auto text = written(value);
  EXPECT_THAT(fields(text), ElementsAre("type", "count", "hex"));
  EXPECT_EQ(text.at("type"), type);
  EXPECT_EQ(text.at("count"), value.element_count);
  EXPECT_EQ(text.at("hex"), hex);
  EXPECT_EQ(value_from_json(text), value) << text;
}

TEST(ValueJson, WritesEveryTypePlainly) {
  expect_plain(scalar_of(ValueType::kU8, std::uint8_t{255}), "u8", "255");
  expect_plain(scalar_of(ValueType::kI8, std::int8_t{-128}), "i8", "-128");
  expect_plain(scalar_of(ValueType::kU16, std::uint16_t{65535}), "u16", "65535");
  expect_plain(scalar_of(ValueType::kI16, std::int16_t{-32768}), "i16", "-32768");
  expect_plain(u32_value(4294967295), "u32", "4294967295");
  expect_plain(scalar_of(ValueType::kI32, std::numeric_limits<std::int32_t>::min()), "i32", "-2147483648");
  expect_plain(scalar_of(ValueType::kU64, std::uint64_t{1} << 63), "u64", "9223372036854775808");
  expect_plain(scalar_of(ValueType::kU64, UINT64_MAX), "u64", "18446744073709551615");
  expect_plain(scalar_of(ValueType::kI64, INT64_MIN), "i64", "-9223372036854775808");
  expect_plain(f32_value(-1.5), "f32", "-1.5");
  expect_plain(scalar_of(ValueType::kF64, 1e300), "f64", "1e+300");
  expect_plain(scalar_of(ValueType::kBool, true), "bool", "true");
  expect_plain(scalar_of(ValueType::kBool, false), "bool", "false");
  expect_plain(string_value("a \"quoted\"\n\x01 ünï"), "string", R"("a \"quoted\"\n\u0001 ünï")");
  expect_plain(string_value(""), "string", R"("")");
}

TEST(ValueJson, WritesArraysPlainly) {
  expect_plain(array_of(ValueType::kI32, {1, -2, 3}), "i32[]", "[1,-2,3]");
  expect_plain(array_of(ValueType::kU64, {UINT64_MAX, std::uint64_t{0}}), "u64[]", "[18446744073709551615,0]");
  expect_plain(array_of(ValueType::kBool, {true, false}), "bool[]", "[true,false]");
  expect_plain(array_of(ValueType::kF32, {0.5F}), "f32[]", "[0.5]");
  expect_plain(array_of<std::uint8_t>(ValueType::kU8, {}), "u8[]", "[]");
  expect_plain(strings_of({"a", "", "ü"}), "string[]", R"(["a","","ü"])");
  expect_plain(strings_of({}), "string[]", "[]");
}

// Shortest decimal numbers that are read as the same float again.
TEST(ValueJson, KeepsEveryBitOfFloats) {
  for (const float value : {0.1F, 1.0F / 3, 16777216.0F, -0.0F, 1e-45F, std::numeric_limits<float>::min(),
                            std::numeric_limits<float>::max(), 1e-6F, 10000000.0F}) {
    EXPECT_EQ(value_from_json(written(f32_value(value))), f32_value(value)) << value;
    EXPECT_TRUE(written(f32_value(value)).contains("value")) << value;
  }
  for (const double value : {0.1, 1.0 / 3, -0.0, 5e-324, std::numeric_limits<double>::max(), 9007199254740993.0}) {
    const auto gguf = scalar_of(ValueType::kF64, value);
    EXPECT_EQ(value_from_json(written(gguf)), gguf) << value;
    EXPECT_TRUE(written(gguf).contains("value")) << value;
  }
}

TEST(ValueJson, WritesInHexWhatJsonCannotHold) {
  expect_hex(f32_value(std::bit_cast<float>(0x7FC00123U)), "f32", "2301c07f");
  expect_hex(f32_value(-std::numeric_limits<float>::infinity()), "f32", "000080ff");
  expect_hex(scalar_of(ValueType::kF64, std::numeric_limits<double>::infinity()), "f64", "000000000000f07f");
  expect_hex(array_of(ValueType::kF32, {1.0F, std::numeric_limits<float>::quiet_NaN()}), "f32[]", "0000803f0000c07f");
  expect_hex(string_value("\xff\xc3"), "string", "ffc3");
  expect_hex(strings_of({"a", "\xff"}), "string[]",
             "0100000000000000"
             "61"
             "0100000000000000"
             "ff");
  // Any byte but 0 is true.
  expect_hex(scalar_of(ValueType::kBool, std::uint8_t{2}), "bool", "02");
  expect_hex(array_of(ValueType::kBool, {std::uint8_t{1}, std::uint8_t{0xff}}), "bool[]", "01ff");
}

TEST(ValueJson, ReadsOnlyWhatItWrites) {
  for (const auto* text :
       {R"({"type":"u128","value":1})", R"({"type":"array","value":[]})", R"({"type":"u32[][]","value":[]})",
        R"({"type":"","value":1})", R"({"type":"u32","value":-1})", R"({"type":"u32","count":1,"hex":"0"})",
        R"({"type":"u32","count":1,"hex":"0g"})", R"({"type":"u32","count":1,"hex":"+1"})"}) {
    EXPECT_FALSE(value_from_json(Json::parse(text))) << text;
  }
}

TEST(ValueJson, ParsesWhatUsersGive) {
  const auto parse = [](std::string_view type, std::string_view json) {
    const auto value = parse_value("k", type, Json::parse(json));
    EXPECT_THAT(value, IsOk()) << type << " " << json;
    return value.ok() ? value.value() : GgufValue{};
  };
  EXPECT_EQ(parse("u32", "7"), u32_value(7));
  EXPECT_EQ(parse("f32", "1"), f32_value(1));
  EXPECT_EQ(parse("f32", "-1e-3"), f32_value(-1e-3F));
  EXPECT_EQ(parse("bool", "true"), scalar_of(ValueType::kBool, true));
  EXPECT_EQ(parse("str", R"("x")"), string_value("x"));
  EXPECT_EQ(parse("string", R"("x")"), string_value("x"));
  EXPECT_EQ(parse("str[]", R"(["a","b"])"), strings_of({"a", "b"}));
  EXPECT_EQ(parse("u64[]", "[]"), array_of<std::uint64_t>(ValueType::kU64, {}));
  EXPECT_EQ(parse("i64", "-9223372036854775808"), scalar_of(ValueType::kI64, INT64_MIN));
}

TEST(ValueJson, RefusesValuesOfAnotherTypeOrRange) {
  const std::vector<std::pair<std::string_view, std::string_view>> wrong{
      {"u8", "256"},
      {"u8", "-1"},
      {"i8", "128"},
      {"i8", "-129"},
      {"u16", "65536"},
      {"i16", "32768"},
      {"u32", "4294967296"},
      {"u32", "1.0"},
      {"u32", "true"},
      {"u32", R"("1")"},
      {"u32", "[1]"},
      {"u32", "null"},
      {"i32", "2147483648"},
      {"u64", "18446744073709551616"},
      {"u64", "-1"},
      {"i64", "9223372036854775808"},
      {"i64", "18446744073709551615"},
      {"f32", "1e39"},
      {"f32", "true"},
      {"f32", R"("0.5")"},
      {"bool", "1"},
      {"bool", R"("true")"},
      {"str", "1"},
      {"u32[]", "1"},
      {"u32[]", "[1,-1]"},
      {"u32[]", "[[1]]"},
      {"u32[]", R"({"a":1})"},
      {"str[]", R"(["a",1])"},
  };
  for (const auto& [type, json] : wrong) {
    const auto value = parse_value("some.key", type, Json::parse(json));
    EXPECT_THAT(value, FailsWith(ErrorCode::kUsage, "the value for key 'some.key' is no ")) << type << " " << json;
  }
  for (const auto* type : {"", "int", "U32", "u32 ", "array", "[]", "u32[][]", "str[", "float"}) {
    EXPECT_THAT(parse_value("some.key", type, Json(1)), FailsWith(ErrorCode::kUsage, "is no type for key 'some.key'"))
        << type;
  }
}

}  // namespace
}  // namespace mtpgraft
