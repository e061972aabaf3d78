// A file held against a list: what passes, and what is said of it.
#include <fmt/core.h>

#include "matchers.h"
#include "models.h"
#include "mtpgraft/verify.h"
#include "util/hash.h"

namespace mtpgraft {
namespace {

using testing::IsEmpty;

std::string list_of(const Model& model, DigestAlgorithm algorithm = DigestAlgorithm::kXxh128) {
  return format_checksums(compute_checksums(*model.file, model.gguf, algorithm, keep_going).value());
}

const Model& listed_model() {
  static const Model model = load_model("golden/tiny-qwen35-target");
  return model;
}

ListReport hold(const Model& model, const std::string& list, const ListOptions& options = {}) {
  const auto report = check_against_list(opened(model), list, "x.sums", options, keep_going);
  EXPECT_THAT(report, IsOk());
  return report.value();
}

TEST(CheckAgainstList, PassesOfTheVeryFileAndOfItsGraft) {
  const auto list = list_of(listed_model());
  const auto report = hold(listed_model(), list, {.exact = true, .strict = true});
  EXPECT_TRUE(report.ok);
  EXPECT_EQ(report.lines.size(), listed_model().gguf.tensors.size());
  EXPECT_EQ(report.metadata_equal, true);
  const auto graft = graft_model(listed_model(), load_model("golden/tiny-qwen35-donor"));
  const auto of_graft = hold(graft, list);
  EXPECT_TRUE(of_graft.ok);
  EXPECT_EQ(of_graft.metadata_equal, std::nullopt);
  EXPECT_EQ(of_graft.unlisted_trunk_tensors, 0U);
  const auto exact = hold(graft, list, {.exact = true});
  EXPECT_FALSE(exact.ok);
  EXPECT_EQ(exact.extra.size(), 15U);
  EXPECT_EQ(exact.metadata_equal, false);
}

// One line for each tensor, whatever the number of algorithms; the worst of them counts.
TEST(CheckAgainstList, JoinsTheAlgorithmsOfATensor) {
  const auto both =
      compute_checksums(*listed_model().file, listed_model().gguf, DigestAlgorithm::kXxh128, keep_going).value();
  const auto more =
      compute_checksums(*listed_model().file, listed_model().gguf, DigestAlgorithm::kSha256, keep_going).value();
  ASSERT_EQ(both.size(), more.size());
  std::vector<Checksum> list;
  for (std::size_t i = 0; i < both.size(); ++i) {
    list.push_back(both[i]);
    list.push_back(more[i]);
  }
  auto& damaged = list[list.size() - 1].hex;
  damaged[0] = damaged[0] == '0' ? '1' : '0';
  const auto report = hold(listed_model(), format_checksums(list));
  EXPECT_FALSE(report.ok);
  ASSERT_EQ(report.lines.size(), listed_model().gguf.tensors.size());
  for (std::size_t i = 0; i < report.lines.size(); ++i) {
    EXPECT_EQ(report.lines[i].result, i + 1 < report.lines.size() ? CheckResult::kOk : CheckResult::kDiffers);
  }
}

TEST(CheckAgainstList, CountsWhatIsNotListedOrNotThere) {
  const auto list = list_of(listed_model());
  const auto cut = list.substr(0, list.rfind('\n', list.size() - 2) + 1);
  const auto short_list = hold(listed_model(), cut);
  EXPECT_TRUE(short_list.ok);
  EXPECT_EQ(short_list.unlisted_trunk_tensors, 1U);
  const auto more = list + fmt::format("XXH128 (no.such) = {:032}\n", 0);
  EXPECT_FALSE(hold(listed_model(), more).ok);
  EXPECT_EQ(hold(listed_model(), more).lines.back().result, CheckResult::kMissing);
  const auto ignored = hold(listed_model(), more, {.ignore_missing = true});
  EXPECT_TRUE(ignored.ok);
  EXPECT_EQ(ignored.lines.size(), listed_model().gguf.tensors.size());
}

TEST(CheckAgainstList, NeedsALineThatIsAChecksum) {
  const auto unreadable = "nothing\n" + list_of(listed_model());
  EXPECT_TRUE(hold(listed_model(), unreadable).ok);
  EXPECT_THAT(hold(listed_model(), unreadable).bad_lines, testing::ElementsAre(1U));
  EXPECT_FALSE(hold(listed_model(), unreadable, {.strict = true}).ok);
  EXPECT_THAT(check_against_list(opened(listed_model()), "nothing\n", "x.sums", {}, keep_going),
              FailsWith(ErrorCode::kMalformed, "no line of it is a checksum"));
  // Nothing of what is listed is there: that proves nothing.
  const auto other = fmt::format("XXH128 (no.such) = {:032}\n", 0);
  EXPECT_FALSE(hold(listed_model(), other, {.ignore_missing = true}).ok);
  EXPECT_THAT(hold(listed_model(), other, {.ignore_missing = true}).lines, IsEmpty());
}

// Lines of sha256sum, of the file that the model is called here.
TEST(CheckAgainstList, TakesALineThatNamesTheFileForAllOfIt) {
  const auto sha256 = make_hasher(DigestAlgorithm::kSha256);
  sha256->update(listed_model().bytes());
  const auto right = sha256->finish_hex();
  const auto wrong = std::string(64, '0');
  const auto path = listed_model().gguf.path;  // "golden/tiny-qwen35-target.gguf"
  const auto name = path.substr(path.rfind('/') + 1);
  for (const auto& listed : {name, "./" + name, "/a/b/" + name, path}) {
    SCOPED_TRACE(listed);
    for (const auto* form : {"{0}  {1}\n", "{0} *{1}\n", "SHA256 ({1}) = {0}\n"}) {
      const auto report = hold(listed_model(), fmt::format(fmt::runtime(form), right, listed), {.exact = true});
      EXPECT_TRUE(report.ok);
      EXPECT_EQ(report.files.size(), 1U);
      EXPECT_THAT(report.lines, IsEmpty());
      EXPECT_THAT(report.extra, IsEmpty());
      EXPECT_EQ(report.unlisted_trunk_tensors, 0U);
      EXPECT_FALSE(hold(listed_model(), fmt::format(fmt::runtime(form), wrong, listed)).ok);
    }
  }
  // The line with more of the path counts; the others are of files elsewhere.
  const auto two = fmt::format("{}  other/{}\n{}  {}\n", wrong, name, right, path);
  EXPECT_TRUE(hold(listed_model(), two).ok);
  EXPECT_EQ(hold(listed_model(), two).other_files, 1U);
  EXPECT_FALSE(hold(listed_model(), fmt::format("{}  a/{}\n{}  b/{}\n", wrong, name, right, name)).ok);
}

TEST(CheckAgainstList, SkipsOtherFiles) {
  const auto other = fmt::format("{0}  x.gguf\n{0}  LICENSE\n", std::string(64, '0'));
  const auto none = hold(listed_model(), other);
  EXPECT_FALSE(none.ok);
  EXPECT_EQ(none.other_files, 2U);
  EXPECT_THAT(none.lines, IsEmpty());
  // Beside tensors, what does not look like a file is a tensor that is missing.
  const auto mixed = hold(listed_model(), list_of(listed_model()) + other);
  EXPECT_FALSE(mixed.ok);
  EXPECT_EQ(mixed.other_files, 1U);
  EXPECT_EQ(mixed.lines.back().name, "LICENSE");
}

}  // namespace
}  // namespace mtpgraft
