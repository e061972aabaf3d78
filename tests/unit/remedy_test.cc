#include "report/remedy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::report {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<Remedy> all_remedies() {
  std::vector<Remedy> remedies;
  for (int i = 1; i <= static_cast<int>(Remedy::kWithoutCache); ++i) {
    remedies.push_back(static_cast<Remedy>(i));
  }
  return remedies;
}

Error error_with(Remedy remedy, std::string hint = {}) {
  return {.message = "fails", .path = "a b.gguf", .hint = std::move(hint), .remedy = remedy, .subject = "qwen35"};
}

TEST(Remedy, HasWordsForEveryFront) {
  std::set<std::string_view> ids;
  for (const auto remedy : all_remedies()) {
    const auto id = remedy_id(remedy);
    EXPECT_TRUE(ids.insert(id).second) << id;
    EXPECT_THAT(std::string(id), testing::MatchesRegex("[a-z-]+"));
    for (const auto* hint : {"", "do it"}) {
      const auto error = error_with(remedy, hint);
      const auto typed = advice(error, Front::kCommandLine);
      EXPECT_THAT(typed, Not(IsEmpty())) << id;
      EXPECT_THAT(typed, Not(HasSubstr("{"))) << id;
      const auto planned = advice(error, Front::kPlan);
      // Of a plan the program itself reads the keys, and verifies nothing.
      EXPECT_EQ(planned == hint,
                remedy == Remedy::kListKeys || remedy == Remedy::kVerifyAlone || remedy == Remedy::kMakeList)
          << id;
      EXPECT_THAT(planned, Not(HasSubstr("-o"))) << id;
    }
  }
}

TEST(Remedy, OfAPlanNamesNoOptionsButThoseOfRelease) {
  for (const auto remedy : all_remedies()) {
    auto text = advice(error_with(remedy), Front::kPlan);
    for (const std::string_view known : {"--force", "--ggml", "'mtpgraft cache --clear'"}) {
      if (const auto at = text.find(known); at != std::string::npos) {
        text.erase(at, known.size());
      }
    }
    EXPECT_THAT(text, Not(HasSubstr("--"))) << remedy_id(remedy);
  }
}

TEST(Remedy, IsAnAlternativeToAHint) {
  EXPECT_EQ(advice({.message = "", .hint = "make it first"}, Front::kCommandLine), "make it first");
  EXPECT_EQ(advice(error_with(Remedy::kNameOutput), Front::kCommandLine), "give the output a name with -o");
  EXPECT_EQ(advice(error_with(Remedy::kNameOutput, "make it first"), Front::kCommandLine),
            "make it first, or give another name with -o");
  EXPECT_EQ(advice(error_with(Remedy::kNameOutput, "make it first"), Front::kPlan),
            "make it first, or give the plan another output_directory, or the graft another output");
  EXPECT_EQ(advice(error_with(Remedy::kNone), Front::kCommandLine), "");
}

TEST(Remedy, QuotesPathAndSubject) {
  EXPECT_EQ(advice(error_with(Remedy::kRecover), Front::kCommandLine),
            "if none is running: mtpgraft recover 'a b.gguf'");
  EXPECT_THAT(advice(error_with(Remedy::kSetKeys), Front::kCommandLine), HasSubstr("--set qwen35.rope.scaling.type"));
}

// What can be pasted must work: an output needs a name, and a head that is there must be given up.
TEST(Remedy, PrintsCommandsThatWork) {
  auto error = error_with(Remedy::kTakeBase);
  error.subject = "lab/A";
  EXPECT_THAT(advice(error, Front::kCommandLine), HasSubstr("(mtpgraft graft 'a b.gguf' --from-base)"));
  error.path = "X-MTP-Q4_K_M.gguf";
  EXPECT_THAT(advice(error, Front::kCommandLine),
              HasSubstr("(mtpgraft graft X-MTP-Q4_K_M.gguf --from-base -o NEW.gguf)"));
  error.remedy = Remedy::kReplaceHead;
  EXPECT_THAT(
      advice(error, Front::kCommandLine),
      HasSubstr("hf://lab/A, in its place (mtpgraft graft --replace X-MTP-Q4_K_M.gguf --from-base -o NEW.gguf)"));
  error.subject.clear();
  error.donors = {{"hf://lab/A", 0}};
  EXPECT_THAT(describe_error(error),
              HasSubstr("- mtpgraft graft --replace X-MTP-Q4_K_M.gguf hf://lab/A -o NEW.gguf\n"));
  EXPECT_THAT(advice(error, Front::kCommandLine), HasSubstr("as DONOR, with --replace"));
  error.remedy = Remedy::kChooseDonor;
  EXPECT_THAT(describe_error(error), HasSubstr("- mtpgraft graft X-MTP-Q4_K_M.gguf hf://lab/A -o NEW.gguf\n"));
}

TEST(RequestField, IsCalledAsTheFrontCallsIt) {
  for (int i = 1; i <= static_cast<int>(RequestField::kStrict); ++i) {
    const auto field = static_cast<RequestField>(i);
    EXPECT_TRUE(field_name(field, Front::kCommandLine).starts_with('-')) << i;
    EXPECT_THAT(std::string(field_name(field, Front::kPlan)), testing::MatchesRegex("[a-z_]+"));
  }
  const Error error{
      .code = ErrorCode::kUsage, .message = "q9: there is no such tensor type", .field = RequestField::kHeadType};
  EXPECT_EQ(describe_error(error), "mtpgraft: --head-type q9: there is no such tensor type");
  EXPECT_EQ(describe_error(error, Front::kPlan), "mtpgraft: q9: there is no such tensor type");
}

TEST(RequestField, IsInJson) {
  auto error = error_with(Remedy::kReplaceHead);
  error.subject.clear();
  error.field = RequestField::kHeadType;
  const auto json = nlohmann::json::parse(error_to_json(error, "graft"))["error"];
  EXPECT_EQ(json["message"], "--head-type fails");
  EXPECT_EQ(json["hint"], "use --replace to put the donor's head in its place");
  EXPECT_EQ(json["field"], "head_type");
  EXPECT_EQ(json["remedy"], "replace-head");
  const auto plain = nlohmann::json::parse(error_to_json({.message = "fails"}, "graft"))["error"];
  EXPECT_TRUE(plain["field"].is_null());
  EXPECT_TRUE(plain["remedy"].is_null());
}

TEST(ErrorJson, TellsWhetherARetryHelpsAndWhatAServerAnswered) {
  const auto json_of = [](const Error& error) { return nlohmann::json::parse(error_to_json(error, "graft"))["error"]; };
  const auto busy = json_of({.message = "fails", .http_status = 503, .is_retryable = true});
  EXPECT_EQ(busy["retryable"], true);
  EXPECT_EQ(busy["http_status"], 503);
  EXPECT_TRUE(busy["file_kind"].is_null());
  const auto adapter = json_of({.message = "fails", .file_kind = FileKind::kAdapter});
  EXPECT_EQ(adapter["retryable"], false);
  EXPECT_TRUE(adapter["http_status"].is_null());
  EXPECT_EQ(adapter["file_kind"], "lora-adapter");
}

}  // namespace
}  // namespace mtpgraft::report
