#include "mtpgraft/job.h"

#include <array>

#include "gguf/serialize.h"
#include "matchers.h"
#include "models.h"
#include "util/sha256.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kDonorPath = "mtp-Base-Q8_0.gguf";

// A target and a donor on a disk that is memory.
class JobTest : public testing::Test {
 protected:
  JobTest() {
    files_.put("Model-Q4_K_M.gguf", read_bytes(model_path(kTarget)));
    files_.put(kDonorPath, read_bytes(model_path("mtp-base-8L-Q8_0")));
    for (std::uint64_t i = 1; i <= 4; ++i) {
      const auto name = format_shard_name({"four-Q4_K_M", i, 4});
      files_.put(name, read_bytes(std::filesystem::path(FIXTURES_DIR) / "split" / name));
    }
  }

  // The phases that are begun, and the bytes that are told of in them.
  [[nodiscard]] Context recording() {
    return {files_, [this](Phase phase, std::uint64_t /*total_bytes*/) -> Progress {
              phases_.push_back(phase);
              return [this](std::uint64_t bytes) {
                told_ += bytes;
                return told_ <= stop_after_;
              };
            }};
  }

  static GraftRequest request(const std::string& target = "Model-Q4_K_M.gguf") {
    return {.target = target, .donor = {.path = kDonorPath}};
  }

  static std::vector<std::string> paths_of(const Job& job) {
    std::vector<std::string> paths;
    for (const auto& file : job.output.files) {
      paths.push_back(file.path);
    }
    return paths;
  }

  MemoryFileSystem files_;
  std::vector<Phase> phases_;
  std::uint64_t told_ = 0;
  std::uint64_t stop_after_ = UINT64_MAX;
};

TEST_F(JobTest, GraftsWithoutACallback) {
  const auto job = graft(request(), {files_});
  ASSERT_THAT(job, IsOk());
  EXPECT_THAT(paths_of(job.value()), ElementsAre("Model-MTP-Q4_K_M.gguf"));
  EXPECT_TRUE(job.value().output.seconds);
  const auto report =
      verify({.file = "Model-MTP-Q4_K_M.gguf", .target = "Model-Q4_K_M.gguf", .donor = {kDonorPath}}, {files_});
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report.value().findings, IsEmpty());
}

TEST_F(JobTest, TellsOfEachPhaseAndOfEveryByteWritten) {
  auto job = prepare_graft(request(), recording());
  ASSERT_THAT(job, IsOk());
  EXPECT_EQ(files_.find("Model-MTP-Q4_K_M.gguf"), nullptr);
  ASSERT_THAT(check(job.value(), recording()), IsOk());
  EXPECT_EQ(files_.find("Model-MTP-Q4_K_M.gguf"), nullptr);
  ASSERT_THAT(complete(job.value(), recording()), IsOk());
  told_ = 0;
  ASSERT_THAT(write(job.value(), recording()), IsOk());
  EXPECT_THAT(phases_, ElementsAre(Phase::kPlan, Phase::kReadHead, Phase::kReadHead, Phase::kWrite));
  const auto& output = job.value().output;
  EXPECT_EQ(output.bytes_to_write(), files_.find("Model-MTP-Q4_K_M.gguf")->size());
  EXPECT_GE(told_, output.bytes_to_write() * 9 / 10);  // all but what is not copied: the header
}

TEST_F(JobTest, TellsTheDigestsOfItsSources) {
  auto wanted = request("four-Q4_K_M-00001-of-00004.gguf");
  wanted.source_digests = true;
  auto job = prepare_graft(wanted, recording());
  ASSERT_THAT(job, IsOk());
  EXPECT_FALSE(job.value().source_digests);
  told_ = 0;
  ASSERT_THAT(complete(job.value(), recording()), IsOk());
  EXPECT_EQ(phases_.back(), Phase::kChecksum);
  ASSERT_TRUE(job.value().source_digests);
  const auto& [target, donor] = *job.value().source_digests;
  ASSERT_EQ(target.size(), 4U);
  ASSERT_EQ(donor.size(), 1U);
  for (const auto* files : {&target, &donor}) {
    for (const auto& file : *files) {
      Sha256 sha256;
      sha256.update(*files_.find(file.path));
      EXPECT_EQ(file.sha256, sha256.finish_hex()) << file.path;
      EXPECT_EQ(file.bytes, files_.find(file.path)->size()) << file.path;
    }
  }
}

TEST_F(JobTest, TakesATextFromAFileOfItsFileSystem) {
  const std::string_view text = "{{ a\n \\ \"template\" }}";
  const auto bytes = std::as_bytes(std::span(text));
  files_.put("template.jinja", {bytes.begin(), bytes.end()});
  auto wanted = request();
  wanted.edits = {{.key = "a.b", .value = string_value("x")},
                  {.key = "a.b", .value = {}, .file = "template.jinja"},
                  {.key = "a.c", .value = {}, .file = "template.jinja"},
                  {.key = "a.c", .value = string_value("y")}};
  const auto job = graft(wanted, {files_});
  ASSERT_THAT(job, IsOk());
  const MemoryFile file("out.gguf", *files_.find("Model-MTP-Q4_K_M.gguf"));
  const auto gguf = parse_gguf(file);
  ASSERT_THAT(gguf, IsOk());
  EXPECT_EQ(gguf.value().find_key("a.b")->text(), text);
  EXPECT_EQ(gguf.value().find_key("a.c")->text(), "y");

  wanted.output.path = "other.gguf";
  wanted.edits[1].file = "none";
  EXPECT_THAT(graft(wanted, {files_}), FailsWith(ErrorCode::kIo, ""));
  files_.put("none", {std::byte{'a'}, std::byte{0}});
  EXPECT_THAT(graft(wanted, {files_}), FailsWith(ErrorCode::kMalformed, "has a zero byte"));
  files_.put("none", {std::byte{0xFF}});
  EXPECT_THAT(graft(wanted, {files_}), FailsWith(ErrorCode::kMalformed, "is not UTF-8"));
  EXPECT_EQ(files_.find("other.gguf"), nullptr);
}

TEST_F(JobTest, NamesAHeadsOwnFile) {
  const auto sidecar = extract({.donor = {.path = kDonorPath}, .target = "Model-Q4_K_M.gguf", .output = {}}, {files_});
  ASSERT_THAT(sidecar, IsOk());
  EXPECT_EQ(sidecar.value().output.path, "mtp-Model-Q8_0.gguf");
}

TEST_F(JobTest, StopsWhenItIsAskedToAndLeavesNothing) {
  stop_after_ = 2'000'000;
  EXPECT_THAT(graft(request(), recording()), FailsWith(ErrorCode::kInterrupted, "interrupted"));
  EXPECT_EQ(files_.find("Model-MTP-Q4_K_M.gguf"), nullptr);
}

TEST_F(JobTest, StopsWhilePlanningWhenItIsAskedTo) {
  const Context impatient{files_, [](Phase phase, std::uint64_t /*total_bytes*/) -> Progress {
                            return [phase](std::uint64_t) { return phase != Phase::kPlan; };
                          }};
  EXPECT_THAT(prepare_graft(request(), impatient), FailsWith(ErrorCode::kInterrupted, ""));
  EXPECT_THAT(prepare_extract({.donor = {.path = kDonorPath}, .output = {.path = "out.gguf"}}, impatient),
              FailsWith(ErrorCode::kInterrupted, ""));
  EXPECT_THAT(prepare_strip({.file = kDonorPath, .output = {.path = "out.gguf"}}, impatient),
              FailsWith(ErrorCode::kInterrupted, ""));
}

TEST_F(JobTest, RefusesAnOutputThatIsThere) {
  files_.put("Model-MTP-Q4_K_M.gguf", {});
  EXPECT_THAT(graft(request(), {files_}), FailsWith(ErrorCode::kRefused, "the output exists"));
  EXPECT_TRUE(files_.find("Model-MTP-Q4_K_M.gguf")->empty());
  auto again = request();
  again.output.overwrite = Overwrite::kYes;
  EXPECT_THAT(graft(again, {files_}), IsOk());
}

TEST_F(JobTest, RefusesWarningsThatAreToBeErrors) {
  auto strict = request();
  strict.output.path = "mtp-named-as-a-sidecar.gguf";
  EXPECT_THAT(graft(strict, {files_}), IsOk());
  strict.strict = true;
  strict.output.overwrite = Overwrite::kYes;
  const auto refused = graft(strict, {files_});
  ASSERT_THAT(refused, FailsWith(ErrorCode::kIncompatible, "refuses what is otherwise warned about"));
  EXPECT_EQ(refused.error().field, RequestField::kStrict);
}

TEST_F(JobTest, NamesTheFieldOfTheRequestThatIsAtFault) {
  auto wrong = request();
  wrong.donor.head_type = "q9";
  const auto type = prepare_graft(wrong, {files_});
  ASSERT_THAT(type, FailsWith(ErrorCode::kUsage, "q9: there is no such tensor type"));
  EXPECT_EQ(type.error().field, RequestField::kHeadType);
  wrong = request();
  wrong.donor.norm_offset = 1;
  const auto offset = prepare_graft(wrong, {files_});
  ASSERT_THAT(offset, FailsWith(ErrorCode::kUsage, "is for safetensors"));
  EXPECT_EQ(offset.error().field, RequestField::kNormOffset);
}

TEST_F(JobTest, WritesAllFilesOfASplitModelOrNone) {
  const auto first = format_shard_name({"four-MTP-Q4_K_M", 1, 5});
  const auto last = format_shard_name({"four-MTP-Q4_K_M", 5, 5});
  // Another program takes a name between the check and the writing.
  auto job = prepare_graft(request("four-Q4_K_M-00001-of-00004.gguf"), {files_});
  ASSERT_THAT(job, IsOk());
  ASSERT_THAT(check(job.value(), {files_}), IsOk());
  ASSERT_EQ(job.value().output.files.size(), 5U);
  files_.put(last, {});
  EXPECT_THAT(write(job.value(), {files_}), FailsWith(ErrorCode::kRefused, "the output exists"));
  for (std::uint64_t i = 1; i <= 4; ++i) {
    EXPECT_EQ(files_.find(format_shard_name({"four-MTP-Q4_K_M", i, 5})), nullptr) << i;
  }
  ASSERT_THAT(files_.remove(last), IsOk());
  const auto again = graft(request("four-Q4_K_M-00001-of-00004.gguf"), {files_});
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again.value().output.path, first);
  EXPECT_THAT(verify({.file = first}, {files_}).value().findings, IsEmpty());
}

// The file that takes the first name is not the graft's, and stays.
TEST_F(JobTest, LeavesAFileThatTookTheFirstNameMeanwhile) {
  const auto first = format_shard_name({"four-MTP-Q4_K_M", 1, 5});
  auto job = prepare_graft(request("four-Q4_K_M-00001-of-00004.gguf"), {files_});
  ASSERT_THAT(job, IsOk());
  ASSERT_THAT(check(job.value(), {files_}), IsOk());
  files_.put(first, {});
  EXPECT_THAT(write(job.value(), {files_}), FailsWith(ErrorCode::kRefused, "the output exists"));
  EXPECT_NE(files_.find(first), nullptr);
  for (std::uint64_t i = 2; i <= 5; ++i) {
    EXPECT_EQ(files_.find(format_shard_name({"four-MTP-Q4_K_M", i, 5})), nullptr) << i;
  }
}

TEST_F(JobTest, TellsOfAllBytesThatAreVerified) {
  ASSERT_THAT(graft(request(), {files_}), IsOk());
  std::uint64_t total = 0;
  const Context context{files_, [&](Phase phase, std::uint64_t total_bytes) -> Progress {
                          total = phase == Phase::kVerify ? total_bytes : total;
                          return {};
                        }};
  ASSERT_THAT(verify({.file = "Model-MTP-Q4_K_M.gguf", .target = "Model-Q4_K_M.gguf", .donor = {kDonorPath}}, context),
              IsOk());
  EXPECT_EQ(total, files_.find("Model-MTP-Q4_K_M.gguf")->size());
}

// What the user says of a key counts more than what --yarn makes of it.
TEST_F(JobTest, EditsTheKeysAfterTheContextIsExtended) {
  auto yarn = request();
  yarn.yarn_factor = 4;
  yarn.edits.push_back({"qwen35.context_length", u32_value(1234)});
  const auto job = prepare_graft(yarn, {files_});
  ASSERT_THAT(job, IsOk());
  EXPECT_EQ(job.value().options.edits.back().key, "qwen35.context_length");
}

TEST_F(JobTest, WritesTheChecksumsOfTheOutput) {
  auto with_list = request();
  with_list.output.checksums = "Model.sums";
  ASSERT_THAT(graft(with_list, {files_}), IsOk());
  const auto model = open_model(files_, "Model-MTP-Q4_K_M.gguf");
  ASSERT_THAT(model, IsOk());
  const auto checksums =
      compute_checksums(*model.value().file, model.value().gguf, DigestAlgorithm::kXxh128, keep_going);
  const auto expected = format_checksums(checksums.value());
  EXPECT_TRUE(std::ranges::equal(*files_.find("Model.sums"), std::as_bytes(std::span(expected))));
  with_list.output.path = "Other.gguf";
  with_list.output.checksums = "./OTHER.gguf";
  EXPECT_THAT(graft(with_list, {files_}), FailsWith(ErrorCode::kRefused, "is the output too"));
}

TEST_F(JobTest, ShowsAnObserverTheBytesOfEachFile) {
  auto job = prepare_graft(request(), {files_});
  ASSERT_THAT(job, IsOk());
  ASSERT_THAT(check(job.value(), {files_}), IsOk());
  Bytes seen;
  const auto observe = [&](std::size_t) -> ByteSink {
    return [&](std::span<const std::byte> bytes) { seen.insert(seen.end(), bytes.begin(), bytes.end()); };
  };
  ASSERT_THAT(write(job.value(), {files_}, observe), IsOk());
  EXPECT_TRUE(seen == *files_.find("Model-MTP-Q4_K_M.gguf"));
}

TEST_F(JobTest, StripsWhatItGraftedAndExtractsTheHead) {
  ASSERT_THAT(graft(request(), {files_}), IsOk());
  const auto stripped = strip({.file = "Model-MTP-Q4_K_M.gguf", .output = {.path = "again.gguf"}}, {files_});
  ASSERT_THAT(stripped, IsOk());
  EXPECT_TRUE(stripped.value().restores_original);
  EXPECT_TRUE(*files_.find("again.gguf") == *files_.find("Model-Q4_K_M.gguf"));
  ASSERT_THAT(extract({.donor = {.path = "Model-MTP-Q4_K_M.gguf"}, .output = {.path = "mtp-head.gguf"}}, {files_}),
              IsOk());
  EXPECT_EQ(find_head(open_model(files_, "mtp-head.gguf").value().gguf).state, HeadState::kSidecar);
}

TEST_F(JobTest, GraftsAndStripsInPlace) {
  const auto original = *files_.find("Model-Q4_K_M.gguf");
  ASSERT_THAT(graft(request(), {files_}), IsOk());
  auto in_place = request();
  in_place.output.in_place = true;
  const auto grafted = graft(in_place, {files_});
  ASSERT_THAT(grafted, IsOk());
  EXPECT_EQ(grafted.value().output.path, "Model-Q4_K_M.gguf");
  EXPECT_EQ(grafted.value().output.in_place, InPlaceMethod::kClone);
  EXPECT_TRUE(*files_.find("Model-Q4_K_M.gguf") == *files_.find("Model-MTP-Q4_K_M.gguf"));
  const StripRequest undo{.file = "Model-Q4_K_M.gguf", .output = {.in_place = true}};
  const auto stripped = strip(undo, {files_});
  ASSERT_THAT(stripped, IsOk());
  EXPECT_TRUE(stripped.value().restores_original);
  EXPECT_TRUE(*files_.find("Model-Q4_K_M.gguf") == original);
  EXPECT_THAT(strip(undo, {files_}), FailsWith(ErrorCode::kIncompatible, "has no head to take out"));
  auto of_files = in_place;
  of_files.target = "four-Q4_K_M-00001-of-00004.gguf";
  EXPECT_THAT(graft(of_files, {files_}), FailsWith(ErrorCode::kRefused, "a split model is not changed in place"));
}

TEST_F(JobTest, WantsANameForWhatHasNoDefault) {
  const auto job = strip({.file = "Model-Q4_K_M.gguf", .output = {}}, {files_});
  ASSERT_THAT(job, FailsWith(ErrorCode::kUsage, "the output has no name"));
  EXPECT_EQ(job.error().remedy, Remedy::kNameOutput);
}

}  // namespace
}  // namespace mtpgraft
