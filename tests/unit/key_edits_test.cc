#include <fmt/core.h>

#include <limits>

#include "edit_gguf.h"
#include "gguf/serialize.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/plan.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

KeyEdit parsed(std::string_view text) {
  auto edit = parse_key_edit(text);
  EXPECT_THAT(edit, IsOk()) << text;
  return edit.ok() ? std::move(edit).value() : KeyEdit{};
}

TEST(KeyEdits, ParsesKeyTypeAndValue) {
  EXPECT_EQ(parsed("a.b=u32:7").key, "a.b");
  EXPECT_EQ(parsed("a.b=u32:7").value, u32_value(7));
  EXPECT_EQ(parsed("k=f32:0.5").value, f32_value(0.5));
  EXPECT_EQ(parsed("k=u32: 7 ").value, u32_value(7));
}

// A string is taken as it is given, not as JSON.
TEST(KeyEdits, TakesStringsLiterally) {
  for (const std::string text :
       {"", "yarn", "\"quoted\"", "a=b:c", ":", "=", " spaces ", "[1]", "line\nbreak", "\xff"}) {
    EXPECT_EQ(parsed("k=str:" + text).value, string_value(text)) << text;
    EXPECT_EQ(parsed("k=string:" + text).value, string_value(text)) << text;
  }
}

TEST(KeyEdits, TakesTheFirstEqualsSignAndTheColonBehindIt) {
  const auto edit = parsed("a:b=str:c=d:e");
  EXPECT_EQ(edit.key, "a:b");
  EXPECT_EQ(edit.value, string_value("c=d:e"));
}

TEST(KeyEdits, NamesTheFileOfAText) {
  const auto edit = parse_file_edit("a:b=dir/c=d.txt");
  ASSERT_THAT(edit, IsOk());
  EXPECT_EQ(edit.value().key, "a:b");
  EXPECT_EQ(edit.value().file, "dir/c=d.txt");
  for (const auto* text : {"", "k", "=file", "k="}) {
    EXPECT_THAT(parse_file_edit(text), FailsWith(ErrorCode::kUsage, fmt::format("'{}' is not KEY=FILE", text)));
  }
  EXPECT_THAT(parse_file_edit(std::string(65'536, 'k') + "=file"), FailsWith(ErrorCode::kUsage, "KEY=FILE"));
}

TEST(KeyEdits, RefusesWhatIsNoEdit) {
  for (const auto* text : {"", "k", "=u32:1", "k=", "k=u32", "k:u32=1", "k=7", "u32:7"}) {
    const auto edit = parse_key_edit(text);
    EXPECT_THAT(edit, FailsWith(ErrorCode::kUsage, fmt::format("'{}' is not KEY=TYPE:VALUE", text)));
    EXPECT_THAT(edit.error().hint, HasSubstr("=u32:"));
  }
  for (const auto* text : {"k=int:1", "k=:1", "k=u32[:1", "k=U32:1"}) {
    EXPECT_THAT(parse_key_edit(text), FailsWith(ErrorCode::kUsage, "is no type for key 'k'")) << text;
  }
  for (const auto* text : {"k=u32:", "k=u32:x", "k=u32:1 2", "k=f32:NaN", "k=f32:.5", "k=bool:True", "k=u32[]:[1",
                           "k=u32[]:1,2", "k=str[]:[a]", "k=u32:0x10", "k=u32:-1", "k=u32:4294967296"}) {
    EXPECT_THAT(parse_key_edit(text), FailsWith(ErrorCode::kUsage, "the value for key 'k' is no ")) << text;
  }
  EXPECT_THAT(parse_key_edit(std::string(65'536, 'k') + "=u32:1"), FailsWith(ErrorCode::kUsage, "KEY=TYPE:VALUE"));
  EXPECT_THAT(parse_key_edit("k=u32:" + std::string(100'000, '[') + std::string(100'000, ']')),
              FailsWith(ErrorCode::kUsage, "the value for key 'k' is no "));
}

GgufFile target_with(const std::vector<std::pair<std::string, std::uint32_t>>& numbers) {
  GgufFile target;
  target.path = "target.gguf";
  set_text(target, "general.architecture", "qwen35");
  for (const auto& [name, number] : numbers) {
    set_u32(target, "qwen35." + name, number);
  }
  return target;
}

// What the edits make of the four keys.
struct Yarn {
  std::optional<GgufValue> type, factor, original, context;

  bool operator==(const Yarn&) const = default;
};

Yarn yarn_of(const Result<std::vector<KeyEdit>>& edits) {
  EXPECT_THAT(edits, IsOk());
  std::vector<std::string> keys;
  for (const auto& edit : edits.value()) {
    keys.push_back(edit.key);
  }
  EXPECT_THAT(keys, ElementsAre("qwen35.rope.scaling.type", "qwen35.rope.scaling.factor",
                                "qwen35.rope.scaling.original_context_length", "qwen35.context_length"));
  const auto& list = edits.value();
  return {list[0].value, list[1].value, list[2].value, list[3].value};
}

TEST(KeyEdits, ExtendTheContextByYarn) {
  EXPECT_EQ(yarn_of(make_yarn_edits(target_with({{"context_length", 32768}}), 4)),
            (Yarn{string_value("yarn"), f32_value(4), u32_value(32768), u32_value(131072)}));
  EXPECT_EQ(yarn_of(make_yarn_edits(target_with({{"context_length", 1000}}), 1.5)),
            (Yarn{string_value("yarn"), f32_value(1.5), u32_value(1000), u32_value(1500)}));
  EXPECT_EQ(yarn_of(make_yarn_edits(target_with({{"context_length", 5}}), 1.5)).context, u32_value(8));
}

// A second extension starts from what the model was trained with, not from the first.
TEST(KeyEdits, ExtendAnExtendedContextFromWhereItWas) {
  const auto target = target_with({{"context_length", 131072}, {"rope.scaling.original_context_length", 32768}});
  EXPECT_EQ(yarn_of(make_yarn_edits(target, 8)),
            (Yarn{string_value("yarn"), f32_value(8), u32_value(32768), u32_value(262144)}));
}

TEST(KeyEdits, RefuseToExtendAnUnknownContext) {
  const auto edits = make_yarn_edits(target_with({}), 4);
  EXPECT_THAT(edits, FailsWith(ErrorCode::kIncompatible, "key 'qwen35.context_length' is absent"));
  EXPECT_EQ(edits.error().path, "target.gguf");
  EXPECT_EQ(edits.error().remedy, Remedy::kSetKeys);
  EXPECT_EQ(edits.error().subject, "qwen35");
  EXPECT_THAT(make_yarn_edits(target_with({{"context_length", 0}}), 4), FailsWith(ErrorCode::kIncompatible, "absent"));
  auto array = target_with({});
  set_array<std::uint32_t>(array, "qwen35.context_length", {1024});
  EXPECT_THAT(make_yarn_edits(array, 4), FailsWith(ErrorCode::kIncompatible, "absent"));
}

TEST(KeyEdits, RefuseFactorsThatDoNotExtend) {
  const auto target = target_with({{"context_length", 1U << 20}});
  for (const double factor : {1.0, 0.5, 0.0, -4.0, 4096.0, 1e300, std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN()}) {
    const auto edits = make_yarn_edits(target, factor);
    ASSERT_THAT(edits, FailsWith(ErrorCode::kUsage, ": the factor must be above 1")) << factor;
    EXPECT_EQ(edits.error().field, RequestField::kYarn);
  }
  EXPECT_EQ(yarn_of(make_yarn_edits(target, 4095)).context, u32_value(4095U << 20));
}

Result<Plan> plan_with(const std::vector<KeyEdit>& edits, std::string_view target_name = kTarget) {
  const auto target = load_model(target_name);
  const auto donor = load_model(kDonor);
  auto options = graft_options(target, donor);
  options.edits = edits;
  return try_plan(target, donor, options);
}

TEST(KeyEdits, AreAppliedInOrderAndTold) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  auto options = graft_options(target, donor);
  options.edits = {parsed("qwen35.context_length=u32:77"),
                   parsed("new.key=str[]:[\"a\"]"),
                   {"general.name", {}},
                   parsed("new.key=bool:true")};
  const auto plan = make_plan(target, donor, options);
  const auto graft = parse_model("graft.gguf", spell(plan, target, donor));
  EXPECT_EQ(graft.gguf.find_key("qwen35.context_length")->value.unsigned_at(), 77U);
  EXPECT_EQ(graft.gguf.find_key("new.key")->complete_value(), *parsed("k=bool:true").value);
  EXPECT_EQ(graft.gguf.find_key("general.name"), nullptr);
  EXPECT_EQ(graft.gguf.keys.back().key, "mtpgraft.record");
  const auto change = [&](std::string_view key) {
    const auto found = std::ranges::find(plan.key_changes, key, &KeyChange::key);
    return found != plan.key_changes.end() ? *found : KeyChange{};
  };
  EXPECT_EQ(change("qwen35.context_length").to, "77");
  EXPECT_EQ(change("qwen35.context_length").type, "u32");
  EXPECT_EQ(change("general.name").type, "string");
  EXPECT_EQ(change("general.name").to, "none");
  EXPECT_EQ(change("new.key").from, "");
}

TEST(KeyEdits, LeaveAloneWhatTheGraftItselfDecides) {
  for (const auto* key : {"general.architecture", "general.alignment", "mtpgraft.record", "qwen35.block_count",
                          "qwen35.nextn_predict_layers", "split.count", "split.no"}) {
    const auto message = fmt::format("key '{}' cannot be set or unset", key);
    EXPECT_THAT(plan_with({{key, u32_value(1)}}), FailsWith(ErrorCode::kUsage, message));
    EXPECT_THAT(plan_with({{key, std::nullopt}}), FailsWith(ErrorCode::kUsage, message));
  }
  EXPECT_THAT(plan_with({{"no.such.key", std::nullopt}}),
              FailsWith(ErrorCode::kUsage, "the target has no key 'no.such.key' to take out"));
}

// What is written must be readable again, and be the same key to loaders in C.
TEST(KeyEdits, RefuseNamesThatNoKeyCanHave) {
  using namespace std::string_literals;
  for (const auto& key : {""s, "general.alignment\0x"s, "\0"s, std::string(65536, 'k')}) {
    EXPECT_THAT(plan_with({{key, u32_value(1)}}),
                FailsWith(ErrorCode::kUsage, "a key has a name of 1 to 65535 bytes without NUL"));
  }
}

}  // namespace
}  // namespace mtpgraft
