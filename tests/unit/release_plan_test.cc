// PLAN.json of `mtpgraft release`: what is refused and where it stands, and which grafts a plan amounts to.
#include "release/release_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace mtpgraft {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// "message (hint)" of each.
std::vector<std::string> texts_of(const std::vector<Error>& problems) {
  std::vector<std::string> texts;
  for (const auto& problem : problems) {
    EXPECT_EQ(problem.path, "PLAN.json");
    texts.push_back(problem.hint.empty() ? problem.message : problem.message + " (" + problem.hint + ")");
  }
  return texts;
}

std::vector<std::string> problems_of_text(std::string_view text) {
  std::vector<Error> problems;
  parse_release_plan(text, "PLAN.json", problems);
  return texts_of(problems);
}

// Of a plan with these fields besides the version.
std::vector<std::string> problems_of(const std::string& fields) {
  return problems_of_text("{\"schema_version\": 1, " + fields + "}");
}

std::vector<std::string> problems_of_graft(const std::string& fields) {
  return problems_of(R"("grafts": [{"target": "a.gguf", "donor": "d.gguf"}, {)" + fields + "}]");
}

struct Resolved {
  std::vector<ReleaseGraft> grafts;
  std::vector<std::string> problems;

  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    for (const auto& graft : grafts) {
      lines.push_back(graft.target + " + " + graft.donor + " = " + graft.output);
    }
    return lines;
  }
};

using Listing = std::map<std::string, std::vector<std::string>>;

Resolved resolve(const std::string& fields, const Listing& listing) {
  std::vector<Error> problems;
  const auto plan = parse_release_plan("{\"schema_version\": 1, " + fields + "}", "PLAN.json", problems);
  EXPECT_THAT(texts_of(problems), IsEmpty());
  const auto list = [&](const std::string& directory) -> Result<std::vector<std::string>> {
    const auto found = listing.find(directory);
    return found == listing.end() ? std::vector<std::string>{} : found->second;
  };
  Resolved resolved;
  resolved.grafts = resolve_release(plan, "PLAN.json", list, problems);
  resolved.problems = texts_of(problems);
  return resolved;
}

const Listing kQuants{{"", {"quants", "heads", "out"}},
                      {"quants", {"X-Q6_K.gguf", "X-Q4_K_M.gguf", ".X-Q6_K.gguf", "README.md"}},
                      {"heads", {"mtp-X-BF16.gguf", "mtp-X-Q4_K.gguf"}},
                      {"out", {"X-MTP-Q6_K.gguf"}}};

TEST(ReleasePlan, NamesUnknownFieldsByPointer) {
  EXPECT_THAT(problems_of_graft(R"("target": "b.gguf", "donor": "d.gguf", "options": {"head_typ": "q8_0"})"),
              ElementsAre("/grafts/1/options/head_typ: there is no such field (did you mean head_type?)"));
  EXPECT_THAT(problems_of(R"("graft": [])"), Contains("/graft: there is no such field (did you mean grafts?)"));
  EXPECT_THAT(problems_of(R"("a/b~c": 1, "grafts": [])"),
              Contains(HasSubstr("/a~1b~0c: there is no such field (it can be schema_version, ")));
  EXPECT_THAT(problems_of(R"("defaults": {"target": "x"}, "grafts": [{"target": "a", "donor": "b"}])"),
              ElementsAre("/defaults/target: there is no such field (it can be donor, options)"));
}

TEST(ReleasePlan, TellsEveryProblemAtOnce) {
  EXPECT_THAT(
      problems_of(R"("grafts": [{"donor": "d.gguf"}, {"target": "a.gguf"}, 7,
                             {"target": "a.gguf", "donor": "d", "output": "x/y.gguf", "options": {"set": "a", "merge": 1}}])"),
      ElementsAre(
          "/grafts/0/target: is missing", "/grafts/1/donor: is missing, and /defaults has none",
          R"(/grafts/2: must be an object (such as {"target": "Model-Q4_K_M.gguf", "donor": "mtp-Base-Q8_0.gguf"}))",
          "/grafts/3/output: must be a file name (the directory is output_directory, or else the target's)",
          "/grafts/3/options/set: must be a list of strings", "/grafts/3/options/merge: must be true or false"));
  EXPECT_THAT(
      problems_of(R"("output_dir": "x", "defaults": {"donor": 1, "options": {"strikt": true, "yarn": "x"}},
                     "grafts": [{"target": 1, "outputs": "a", "options": {"stric": true}}])"),
      ElementsAre(HasSubstr("/output_dir: there is no such field"),
                  "/defaults/donor: must be a string that is not empty",
                  "/defaults/options/strikt: there is no such field (did you mean strict?)",
                  "/defaults/options/yarn: must be a number", "/grafts/0/target: must be a string that is not empty",
                  "/grafts/0/outputs: there is no such field (did you mean output?)",
                  "/grafts/0/options/stric: there is no such field (did you mean strict?)"));
  EXPECT_THAT(problems_of_text(R"({"grafts": 1})"),
              ElementsAre("/grafts: must be a list", "/schema_version: is missing (it is 1)"));
}

TEST(ReleasePlan, LeavesOutWhatHasProblems) {
  const std::string sound = R"({"target": "a.gguf", "donor": "d.gguf", "options": {"copy": "x", "set": ["a=b", "c"]}})";
  const auto plan_of = [&](const std::string& fields) {
    std::vector<Error> problems;
    auto plan = parse_release_plan(R"({"schema_version": 1, )" + fields + sound + "]}", "PLAN.json", problems);
    EXPECT_THAT(problems, Not(IsEmpty()));
    return plan;
  };
  const auto plan = plan_of(R"("grafts": [{"target": "a.gguf", "donor": "d.gguf", "output": "a/b"}, )");
  ASSERT_EQ(plan.entries.size(), 1);
  std::vector<std::string> pointers;
  for (const auto& option : plan.entries[0].options) {
    pointers.push_back(option.pointer);
  }
  EXPECT_THAT(pointers, ElementsAre("/grafts/1/options/set/0", "/grafts/1/options/set/1", "/grafts/1/options/copy"));
  EXPECT_THAT(plan_of(R"("output_directory": 7, "grafts": [)").entries, IsEmpty());
  std::vector<Error> problems;
  const auto resolved = resolve_release(
      {"", {{"/grafts/0", "none*", "d", "", {}}, {"/grafts/1", "a", "none*", "", {}}, {"/grafts/2", "b", "d", "", {}}}},
      "PLAN.json", [](const std::string&) { return std::vector<std::string>{}; }, problems);
  EXPECT_EQ(problems.size(), 2);
  ASSERT_EQ(resolved.size(), 1);
  EXPECT_EQ(resolved[0].target, "b");
}

TEST(ReleasePlan, RefusesWrongTypes) {
  EXPECT_THAT(problems_of_graft(R"("target": "", "donor": "d")"),
              ElementsAre("/grafts/1/target: must be a string that is not empty"));
  EXPECT_THAT(problems_of_graft(R"("target": "a\u0000b", "donor": "d")"),
              ElementsAre("/grafts/1/target: must be a string that is not empty"));
  EXPECT_THAT(problems_of_graft(R"("target": "a", "donor": "d", "options": {"norm_offset": 1.5, "yarn": "4"})"),
              ElementsAre("/grafts/1/options/norm_offset: must be an integer",
                          "/grafts/1/options/yarn: must be a number (without quotes: 4)"));
  EXPECT_THAT(problems_of(R"("grafts": [])"), ElementsAre("/grafts: must be a list of at least one graft"));
  EXPECT_THAT(problems_of_text("[]"), ElementsAre(HasSubstr("the plan: must be an object")));
  EXPECT_THAT(problems_of_text(R"({"schema_version": 2, "grafts": [{"target": "a", "donor": "b"}]})"),
              ElementsAre("/schema_version: must be 1"));
}

TEST(ReleasePlan, RefusesKeysThatStandTwice) {
  EXPECT_THAT(
      problems_of(
          R"("grafts": [{"target": "a", "donor": "b", "options": {"strict": true, "set": ["x"], "strict": false}}],
                             "schema_version": 1)"),
      ElementsAre("/grafts/0/options/strict: stands twice in its object",
                  "/schema_version: stands twice in its object"));
}

TEST(ReleasePlan, TellsWhereJsonEnds) {
  std::vector<Error> problems;
  parse_release_plan("{\"schema_version\": 1,\n  \"grafts\": [}", "PLAN.json", problems);
  ASSERT_EQ(problems.size(), 1);
  EXPECT_THAT(problems[0].message, HasSubstr("is not JSON: parse error at line 2"));
  EXPECT_EQ(problems[0].offset, 35);
}

TEST(ReleasePlan, AddsOptionsToTheDefaults) {
  const auto resolved = resolve(
      R"("defaults": {"donor": "d.gguf", "options": {"strict": true, "head_type": "q8_0", "set": ["a=u32:1"], "unset": ["b"]}},
         "grafts": [{"target": "x.gguf"},
                    {"target": "y.gguf", "options": {"strict": false, "head_type": "bf16", "set": ["b=u32:2"], "yarn": 4,
                                                     "no_record": true, "ggml": "lib/ggml.so"}}])",
      {});
  ASSERT_EQ(resolved.grafts.size(), 2);
  EXPECT_THAT(to_arguments(resolved.grafts[0], ""),
              ElementsAre("graft", "x.gguf", "d.gguf", "-o", "x-MTP.gguf", "--strict", "--head-type=q8_0",
                          "--set=a=u32:1", "--unset=b"));
  EXPECT_THAT(to_arguments(resolved.grafts[1], "dir"),
              ElementsAre("graft", "dir/y.gguf", "dir/d.gguf", "-o", "dir/y-MTP.gguf", "--set=a=u32:1", "--unset=b",
                          "--no-record", "--head-type=bf16", "--ggml=dir/lib/ggml.so", "--set=b=u32:2", "--yarn=4"));
}

TEST(ReleasePlan, KeepsNamesFromBeingTakenForOptions) {
  const auto resolved = resolve(R"("grafts": [{"target": "-x.gguf", "donor": "/abs/d.gguf"}])", {});
  ASSERT_EQ(resolved.grafts.size(), 1);
  EXPECT_THAT(to_arguments(resolved.grafts[0], ""),
              ElementsAre("graft", "./-x.gguf", "/abs/d.gguf", "-o", "./-x-MTP.gguf"));
}

TEST(ReleasePlan, ExpandsPatterns) {
  const auto resolved = resolve(
      R"("output_directory": "out", "grafts": [{"target": "quants/*-Q6_K.gguf", "donor": "heads/mtp-*-BF16.gguf"},
                                               {"target": "q*/X-Q4_K_?.gguf", "donor": "h*s/*Q4_K.gguf"}])",
      kQuants);
  EXPECT_THAT(resolved.problems, IsEmpty());
  EXPECT_THAT(resolved.lines(), ElementsAre("quants/X-Q6_K.gguf + heads/mtp-X-BF16.gguf = out/X-MTP-Q6_K.gguf",
                                            "quants/X-Q4_K_M.gguf + heads/mtp-X-Q4_K.gguf = out/X-MTP-Q4_K_M.gguf"));
}

TEST(ReleasePlan, ListsOnlyDirectoriesWithPatterns) {
  const auto resolved =
      resolve(R"("output_directory": "o", "grafts": [{"target": "/private/a/../b/*.gguf", "donor": "d"}])",
              {{"/private/a/../b", {"x.gguf"}}});
  EXPECT_THAT(resolved.lines(), ElementsAre("/private/a/../b/x.gguf + d = o/x-MTP.gguf"));
}

TEST(ReleasePlan, DoesNotTakeItsOutputsForInputs) {
  Listing listing{{"",
                   {"X-Q6_K.gguf", "X-MTP-Q6_K.gguf", "Y-Q6_K-00001-of-00002.gguf", "Y-Q6_K-00002-of-00002.gguf",
                    "Y-MTP-Q6_K-00001-of-00003.gguf", "Y-MTP-Q6_K-00002-of-00003.gguf", "out"}},
                  {"out", {"X-MTP-Q6_K.gguf", "Old-MTP-Q6_K.gguf"}}};
  const auto beside = resolve(R"("grafts": [{"target": "*-Q6_K*.gguf", "donor": "d"}])", listing);
  EXPECT_THAT(beside.problems, IsEmpty());
  EXPECT_THAT(beside.lines(),
              ElementsAre("X-Q6_K.gguf + d = X-MTP-Q6_K.gguf", "Y-Q6_K-00001-of-00002.gguf + d = Y-MTP-Q6_K.gguf"));
  const auto within =
      resolve(R"("output_directory": "./out/", "grafts": [{"target": "*/*.gguf", "donor": "d"}])", listing);
  EXPECT_THAT(within.problems,
              ElementsAre("/grafts/0/target: no file matches '*/*.gguf', but for outputs of the release"));
  const auto donor =
      resolve(R"("output_directory": "out", "grafts": [{"target": "X-Q6_K.gguf", "donor": "out/X-*.gguf"}])", listing);
  EXPECT_THAT(donor.problems,
              ElementsAre("/grafts/0/donor: no file matches 'out/X-*.gguf', but for outputs of the release"));
  const auto named = resolve(R"("grafts": [{"target": "X-*.gguf", "donor": "d", "output": "X-new.gguf"}])",
                             {{"", {"X-old.gguf", "X-new.gguf"}}});
  EXPECT_THAT(named.lines(), ElementsAre("X-old.gguf + d = X-new.gguf"));
}

TEST(ReleasePlan, TakesInputsFromAnyDirectoryForAnyOutputDirectory) {
  for (const std::string directory : {"../o", "../../y/o", "..", ".", "quants", "./quants/../heads", "/abs"}) {
    const auto resolved =
        resolve(R"("output_directory": ")" + directory +
                    R"(", "grafts": [{"target": "quants/*-Q6_K.gguf", "donor": "heads/mtp-*-BF16.gguf"}])",
                kQuants);
    EXPECT_THAT(resolved.problems, IsEmpty()) << directory;
    EXPECT_THAT(resolved.lines(),
                ElementsAre("quants/X-Q6_K.gguf + heads/mtp-X-BF16.gguf = " + directory + "/X-MTP-Q6_K.gguf"));
  }
  const Listing listing{{"../../y/x", {"X-Q6_K.gguf", "X-MTP-Q6_K.gguf", "mtp-X.gguf"}}};
  for (const std::string directory : {"../../y/x", "../z/../../y/x"}) {
    const auto resolved =
        resolve(R"("output_directory": ")" + directory +
                    R"(", "grafts": [{"target": "../../y/x/X-*.gguf", "donor": "../../y/x/mtp-*.gguf"}])",
                listing);
    EXPECT_THAT(resolved.problems, IsEmpty()) << directory;
    EXPECT_THAT(resolved.lines(),
                ElementsAre("../../y/x/X-Q6_K.gguf + ../../y/x/mtp-X.gguf = " + directory + "/X-MTP-Q6_K.gguf"));
  }
}

// Whoever names one means it, and is told what is wrong with it.
TEST(ReleasePlan, LeavesOutNoFileThatIsNamed) {
  EXPECT_THAT(resolve(R"("grafts": [{"target": "X-00002-of-00003.gguf", "donor": "d"}])", {}).lines(),
              ElementsAre("X-00002-of-00003.gguf + d = X-MTP.gguf"));
}

TEST(ReleasePlan, RefusesPatternsThatMatchNothingOrTooMuch) {
  EXPECT_THAT(
      resolve(
          R"("grafts": [{"target": "*.gguf", "donor": "none*"}, {"target": "quants/*-Q[46]*", "donor": "heads/*"}])",
          kQuants)
          .problems,
      ElementsAre(
          HasSubstr("/grafts/0/target: no file matches '*.gguf'"),
          "/grafts/1/donor: more than one file matches 'heads/*': heads/mtp-X-BF16.gguf, heads/mtp-X-Q4_K.gguf"));
  EXPECT_THAT(
      resolve(R"("grafts": [{"target": "quants/X*", "donor": "d", "output": "x.gguf"}])", kQuants).problems,
      ElementsAre(HasSubstr("/grafts/0/output: one name for 2 targets: quants/X-Q4_K_M.gguf, quants/X-Q6_K.gguf")));
}

TEST(ReleasePlan, GivesOneTargetSeveralHeads) {
  const auto resolved = resolve(
      R"("grafts": [{"target": "quants/*-Q6_K.gguf", "donor": "a"},
                    {"target": "quants/X-Q6_K.gguf", "donor": "b", "output": "Y-Q6_K.gguf"}])",
      kQuants);
  EXPECT_THAT(resolved.problems, IsEmpty());
  EXPECT_THAT(resolved.lines(), ElementsAre("quants/X-Q6_K.gguf + a = quants/X-MTP-Q6_K.gguf",
                                            "quants/X-Q6_K.gguf + b = quants/Y-Q6_K.gguf"));
}

TEST(ReleasePlan, RefusesOneOutputOfTwoGrafts) {
  const auto twice = resolve(
      R"("grafts": [{"target": "quants/*-Q6_K.gguf", "donor": "a"}, {"target": "quants/../quants/X-Q6_K.gguf", "donor": "b"}])",
      kQuants);
  EXPECT_THAT(twice.problems,
              ElementsAre("/grafts/1/output: 'quants/../quants/X-MTP-Q6_K.gguf' is the output of /grafts/0, too "
                          "(give each graft its \"output\")"));
  const auto outputs = resolve(
      R"("output_directory": "o", "grafts": [{"target": "a/x.gguf", "donor": "d"}, {"target": "b/x.gguf", "donor": "d"}])",
      {});
  EXPECT_THAT(outputs.problems,
              ElementsAre(HasSubstr("/grafts/1/output: 'o/x-MTP.gguf' is the output of /grafts/0, too")));
}

TEST(ReleasePlan, RefusesOutputsThatAreNoGoodNames) {
  EXPECT_THAT(resolve(R"("grafts": [{"target": "X-MTP-Q6_K.gguf", "donor": "d"}])", {}).problems,
              ElementsAre(HasSubstr("/grafts/0/target: 'X-MTP-Q6_K.gguf' has MTP in its name already")));
  EXPECT_THAT(resolve(R"("grafts": [{"target": "/x/X.gguf", "donor": "d"}])", {}).problems,
              ElementsAre(HasSubstr("/grafts/0/target: an absolute path needs an output_directory")));
  EXPECT_THAT(resolve(R"("grafts": [{"target": "x.gguf", "donor": "d", "output": "a\nb.gguf"}])", {}).problems,
              ElementsAre(HasSubstr("/grafts/0: the output's name has a backslash or a line break")));
}

std::string repeated(std::size_t count, std::string_view text) {
  std::string all;
  while (count-- > 0) {
    all += text;
  }
  return all;
}

// A plan may come from anyone. What is measured is refused in one line, before it takes memory or time.
TEST(ReleasePlanLimits, DeepNestingIsRefused) {
  for (const auto* bracket : {"[", "{\"a\":"}) {
    EXPECT_THAT(problems_of_text(repeated(150'000, bracket)), ElementsAre("is nested more than 64 levels deep"));
    EXPECT_THAT(problems_of("\"grafts\": " + repeated(150'000, bracket)),
                ElementsAre("is nested more than 64 levels deep"));
  }
}

TEST(ReleasePlanLimits, ManyKeysAreRefusedAndNotCompared) {
  std::string keys;
  for (int i = 0; i < 70'000; ++i) {
    keys += "\"" + std::to_string(i) + "\": 1,";
  }
  EXPECT_THAT(problems_of(keys + "\"z\": 1"), ElementsAre("has more than 1000 keys in one object"));
  EXPECT_THAT(problems_of_graft("\"options\": {" + keys + "\"z\": 1}"),
              ElementsAre("has more than 1000 keys in one object"));
  EXPECT_THAT(problems_of(repeated(70'000, "\"a\": 1,") + "\"z\": 1"),
              ElementsAre("has more than 1000 keys in one object"));
}

TEST(ReleasePlanLimits, GraftsTimesDefaultsAreRefused) {
  EXPECT_THAT(problems_of("\"grafts\": [" + repeated(70'000, "0,") + "0]"),
              ElementsAre("has more than 65536 commas and colons"));
  EXPECT_THAT(
      problems_of(R"("defaults": {"donor": "d", "options": {"set": [)" + repeated(10'000, "\"a=u8:1\",") +
                  R"("a=u8:1"]}}, "grafts": [)" + repeated(9'000, "{\"target\": \"t\"},") + "{\"target\": \"t\"}]"),
      ElementsAre("/grafts: more than 100000 options altogether, those of /defaults counted for each graft"));
}

TEST(ReleasePlanLimits, AZeroByteIsNoEnd) {
  using namespace std::string_literals;
  EXPECT_THAT(problems_of_text("{}\0{"s), ElementsAre("has a zero byte"));
}

TEST(ReleasePlan, LeavesTheDonorToTheTarget) {
  std::vector<Error> problems;
  const auto request = to_request({"/grafts/0", "a.gguf", "from-base", "b.gguf", {}}, "dir", "PLAN.json", problems);
  EXPECT_TRUE(request.from_base);
  EXPECT_EQ(request.donor.path, "");
  EXPECT_EQ(request.target, "dir/a.gguf");
  EXPECT_THAT(to_arguments({"/grafts/0", "a.gguf", "from-base", "b.gguf", {}}, "dir"),
              ElementsAre("graft", "dir/a.gguf", "--from-base", "-o", "dir/b.gguf"));
  EXPECT_FALSE(to_request({"/grafts/0", "a.gguf", "./from-base", "b.gguf", {}}, "", "PLAN.json", problems).from_base)
      << "that is a file";
  const auto problems_of_donor = [](const std::string& donor) {
    return resolve(R"("grafts": [{"target": "a.gguf", "donor": ")" + donor + "\"}]", {{"", {"a.gguf", "From-Base"}}})
        .problems;
  };
  for (const auto* donor : {"from_base", "--from-base", "from base"}) {
    EXPECT_THAT(problems_of_donor(donor), ElementsAre(HasSubstr(R"(did you mean "from-base"?)"))) << donor;
  }
  EXPECT_THAT(problems_of_donor("From-Base"), IsEmpty()) << "that is a file";
}

}  // namespace
}  // namespace mtpgraft
