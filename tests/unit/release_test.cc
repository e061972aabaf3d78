#include "mtpgraft/release.h"

#include <fstream>

#include "matchers.h"
#include "models.h"
#include "release/graft_options.h"
#include "release/release_plan.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ReleaseTest : public testing::Test {
 protected:
  ReleaseTest() : files_(make_file_system()) {
    std::filesystem::copy_file(model_path(kTarget), folder_.path("Model-Q4_K_M.gguf"));
    std::filesystem::copy_file(model_path("mtp-base-8L-Q8_0"), folder_.path("mtp-Base-Q8_0.gguf"));
    write_plan("{}");
  }

  void write_plan(const std::string& options) {
    std::ofstream(plan_) << R"({"schema_version": 1, "output_directory": "out", "grafts": [)"
                         << R"({"target": "Model-Q4_K_M.gguf", "donor": "mtp-Base-Q8_0.gguf", "options": )" << options
                         << "}]}";
  }

  ReleaseReport run(bool dry_run = false) {
    const auto report = release({.plan = plan_, .dry_run = dry_run}, {*files_});
    EXPECT_THAT(report, IsOk());
    return report.ok() ? report.value() : ReleaseReport{};
  }

  TempDir folder_;
  std::string plan_ = folder_.path("PLAN.json");
  std::string output_ = folder_.path("out/Model-MTP-Q4_K_M.gguf");
  std::unique_ptr<FileSystem> files_;
};

TEST_F(ReleaseTest, WritesWhatIsMissingAndKeepsWhatIsThere) {
  const auto first = run();
  ASSERT_THAT(first.problems, IsEmpty());
  ASSERT_EQ(first.grafts.size(), 1U);
  EXPECT_EQ(first.grafts[0].state, ReleaseState::kWritten);
  const auto again = run();
  ASSERT_THAT(again.problems, IsEmpty());
  EXPECT_EQ(again.grafts[0].state, ReleaseState::kSkipped);
  EXPECT_EQ(again.grafts[0].files[0].sha256, first.grafts[0].files[0].sha256);
}

// Another version of the program is named in the record, and so may be files that had other names.
TEST_F(ReleaseTest, KeepsOutputsOfOtherVersions) {
  std::filesystem::create_directory(folder_.path("out"));
  GraftRequest request{.target = folder_.path("Model-Q4_K_M.gguf"), .donor = {folder_.path("mtp-Base-Q8_0.gguf")}};
  request.output.path = output_;
  request.labels = RecordLabels{"mtpgraft 0.0.12345", "Model-Q4_K_M.gguf", "the-same-head.gguf"};
  ASSERT_THAT(graft(request, {*files_}), IsOk());
  EXPECT_FALSE(run(true).grafts[0].has_other_sizes);
  const auto report = run();
  ASSERT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.grafts[0].state, ReleaseState::kSkipped);
  EXPECT_THAT(report.grafts[0].record, HasSubstr("mtpgraft 0.0.12345"));
}

TEST_F(ReleaseTest, RefusesOutputsThatThePlanNoLongerMakes) {
  ASSERT_THAT(run().problems, IsEmpty());
  write_plan(R"({"set": ["general.name=str:Renamed"]})");
  const auto report = run();
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_EQ(report.problems[0].remedy, Remedy::kOverwriteChanged);
  EXPECT_FALSE(report.wrote);
}

TEST_F(ReleaseTest, SaysWhereInThePlanARequestComesFrom) {
  write_plan(R"({"head_type": "q9"})");
  const auto report = run();
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_EQ(report.problems[0].path, plan_);
  EXPECT_EQ(report.problems[0].message, "/grafts/0/options/head_type: q9: there is no such tensor type");
}

ReleaseGraft graft_with(std::vector<ReleaseOption> options) {
  return {"/grafts/0", "target.gguf", "donor.gguf", "out.gguf", std::move(options)};
}

TEST(GraftOptions, SetWhatTheirNameSays) {
  std::vector<Error> problems;
  const auto request = to_request(graft_with({{"replace", "", ""},
                                              {"strict", "", ""},
                                              {"no_record", "", ""},
                                              {"head_type", "q8_0", ""},
                                              {"ggml", "libggml.so", ""},
                                              {"norm_offset", "1", ""},
                                              {"no_cache", "", ""},
                                              {"allow_http", "", ""},
                                              {"set", "a=u32:1", ""},
                                              {"unset", "b", ""},
                                              {"yarn", "2.5", ""},
                                              {"split_head", "", ""},
                                              {"link", "sym", ""},
                                              {"copy", "kernel", ""}}),
                                  "dir", "PLAN.json", problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(request.target, "dir/target.gguf");
  EXPECT_EQ(request.donor.path, "dir/donor.gguf");
  EXPECT_EQ(request.output.path, "dir/out.gguf");
  EXPECT_TRUE(request.replace && request.strict && request.no_record);
  EXPECT_EQ(request.donor.head_type, "q8_0");
  EXPECT_EQ(request.donor.ggml_path, "dir/libggml.so");
  EXPECT_EQ(request.donor.norm_offset, 1);
  EXPECT_TRUE(request.donor.remote.no_cache && request.donor.remote.allow_http);
  ASSERT_EQ(request.edits.size(), 2U);
  EXPECT_EQ(request.edits[0].key, "a");
  EXPECT_FALSE(request.edits[1].value);
  EXPECT_EQ(request.yarn_factor, 2.5);
  EXPECT_EQ(request.split, Split::kHead);
  EXPECT_EQ(request.output.link, Link::kSymbolic);
  EXPECT_EQ(request.output.copy, CopyMethod::kKernel);
}

TEST(GraftOptions, RefuseWhatTheyCannotBe) {
  std::vector<Error> problems;
  (void)to_request(
      graft_with({{"copy", "fast", "/a"}, {"link", "x", "/b"}, {"norm_offset", "2", "/c"}, {"set", "nonsense", "/d"}}),
      "", "PLAN.json", problems);
  (void)to_request(graft_with({{"merge", "", "/e"}, {"split_head", "", "/f"}}), "", "PLAN.json", problems);
  std::vector<std::string> messages;
  for (const auto& problem : problems) {
    EXPECT_EQ(problem.path, "PLAN.json");
    messages.push_back(problem.message);
  }
  EXPECT_THAT(messages, ElementsAre("/a: fast not in {auto,buffered,clone,kernel}",
                                    "/b: x not in {auto,clone,copy,hard,sym}", "/c: 2 not in {0,1}",
                                    HasSubstr("/d: 'nonsense' is not KEY=TYPE:VALUE"), "/e: excludes split_head"));
}

TEST_F(ReleaseTest, MeasuresAnOldListBeforeItReadsIt) {
  std::filesystem::create_directory(folder_.path("out"));
  std::ofstream(folder_.path("out/release.json")) << std::string(150'000, '[');
  const auto report = run();
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_EQ(report.problems[0].message, "exists, and is not a list of a release");
}

}  // namespace
}  // namespace mtpgraft
