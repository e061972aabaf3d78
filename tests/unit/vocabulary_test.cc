#include "job/vocabulary.h"

#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"

namespace mtpgraft {
namespace {

Model with_tokens(const std::vector<std::string>& tokens) {
  GgufBuilder builder;
  builder.key("general.architecture", std::string("qwen35")).key("tokenizer.ggml.tokens", tokens);
  builder.floats("token_embd.weight", {4});
  return parse_model("model.gguf", builder.build());
}

struct Comparison {
  std::vector<Warning> warnings;
  std::vector<std::string> notes;
};

Comparison compare(const std::vector<std::string>& target, const std::vector<std::string>& donor) {
  const auto ours = with_tokens(target);
  const auto theirs = with_tokens(donor);
  Comparison result;
  EXPECT_THAT(compare_vocabularies(opened(ours), opened(theirs), result.warnings, result.notes), IsOk());
  return result;
}

TEST(Vocabulary, OfOneModelIsEqual) {
  const auto result = compare({"a", "b"}, {"a", "b"});
  EXPECT_TRUE(result.warnings.empty());
  EXPECT_TRUE(result.notes.empty());
}

TEST(Vocabulary, WithTokensAddedBehindIsANote) {
  const auto result = compare({"a", "b", "c"}, {"a", "b"});
  EXPECT_TRUE(result.warnings.empty());
  EXPECT_THAT(result.notes, testing::ElementsAre(testing::HasSubstr("the target has 1 more than the donor")));
}

TEST(Vocabulary, WithATokenChangedIsAWarningThatNamesTheFirst) {
  // Longer than what the parser keeps of a list.
  std::vector<std::string> target(20000, "token");
  auto donor = target;
  donor[15000] = "other";
  donor[15001] = "others";
  const auto result = compare(target, donor);
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_EQ(result.warnings[0].id, "tokenizer-differs");
  EXPECT_THAT(result.warnings[0].message, testing::HasSubstr("differs from entry 15000 on"));
}

TEST(Vocabulary, WithTokensTakenAwayIsAWarning) {
  const auto result = compare({"a"}, {"a", "b"});
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_THAT(result.warnings[0].message, testing::HasSubstr("lacks the last 1 of the donor's 2"));
}

TEST(Vocabulary, TakesTokensOfAnyLength) {
  const auto result = compare({std::string(100'000, 'x'), "b"}, {std::string(100'000, 'x'), "c"});
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_THAT(result.warnings[0].message, testing::HasSubstr("from entry 1 on"));
}

}  // namespace
}  // namespace mtpgraft
