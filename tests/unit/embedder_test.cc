// Mistakes of programs that use the library: each is an error value, or does nothing; none crashes or throws.
#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include "bad_server.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/job.h"
#include "mtpgraft/release.h"
#include "mtpgraft/summary.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

using testing::IsEmpty;

constexpr const char* kTargetPath = "Model-Q4_K_M.gguf";
constexpr const char* kDonorPath = "mtp-Base-Q8_0.gguf";
constexpr const char* kOutputPath = "Model-MTP-Q4_K_M.gguf";
constexpr const char* kSplitPath = "four-Q4_K_M-00001-of-00004.gguf";
constexpr const char* kNotOpen = "the job has no open files";
constexpr const char* kNotChecked = "is to be checked before it is written";

class EmbedderTest : public testing::Test {
 protected:
  EmbedderTest() {
    files_.put(kTargetPath, read_bytes(model_path(kTarget)));
    files_.put(kDonorPath, read_bytes(model_path("mtp-base-8L-Q8_0")));
    for (std::uint64_t i = 1; i <= 4; ++i) {
      const auto name = format_shard_name({"four-Q4_K_M", i, 4});
      files_.put(name, read_bytes(std::filesystem::path(FIXTURES_DIR) / "split" / name));
    }
  }

  static GraftRequest request() { return {.target = kTargetPath, .donor = {.path = kDonorPath}}; }

  [[nodiscard]] Job prepared(const GraftRequest& wanted = request()) {
    auto job = prepare_graft(wanted, context_);
    EXPECT_THAT(job, IsOk());
    return std::move(job).value();
  }

  MemoryFileSystem files_;
  const Context context_{files_};
};

TEST_F(EmbedderTest, RequestsThatSayNothing) {
  EXPECT_THAT(graft({}, context_), FailsWith(ErrorCode::kUsage, "the model has no name"));
  EXPECT_THAT(graft({.target = kTargetPath, .donor = {}}, context_), FailsWith(ErrorCode::kUsage, "no donor is named"));
  EXPECT_THAT(extract({}, context_), FailsWith(ErrorCode::kUsage, "the donor has no name"));
  EXPECT_THAT(strip({}, context_), FailsWith(ErrorCode::kUsage, "the output has no name"));
  EXPECT_THAT(strip({.file = "", .output = {.path = "x"}}, context_),
              FailsWith(ErrorCode::kUsage, "the model has no name"));
  EXPECT_THAT(verify({}, context_), FailsWith(ErrorCode::kUsage, "the model has no name"));
  EXPECT_THAT(verify({.file = kTargetPath, .target = kTargetPath}, context_),
              FailsWith(ErrorCode::kUsage, "the donor has no name"));
  EXPECT_THAT(release({}, context_), FailsWith(ErrorCode::kUsage, "the plan has no name"));
  EXPECT_THAT(open_donor({}, "", context_), FailsWith(ErrorCode::kUsage, "the donor has no name"));
  EXPECT_THAT(make_file_system()->open(""), FailsWith(ErrorCode::kIo, "cannot open"));
}

TEST_F(EmbedderTest, JobsThatNobodyPrepared) {
  for (const bool in_place : {false, true}) {
    Job job;
    job.request.in_place = in_place;
    EXPECT_THAT(check(job, context_), FailsWith(ErrorCode::kUsage, kNotOpen));
    EXPECT_THAT(check_output(job, context_), FailsWith(ErrorCode::kUsage, kNotOpen));
    EXPECT_THAT(complete(job, context_), FailsWith(ErrorCode::kUsage, kNotOpen));
    EXPECT_THAT(write(job, context_), FailsWith(ErrorCode::kUsage, kNotOpen));
  }
  auto moved = prepared();
  const auto taken = std::move(moved);
  // What was moved from is what this is about. NOLINTNEXTLINE(bugprone-use-after-move)
  EXPECT_THAT(check(moved, context_), FailsWith(ErrorCode::kUsage, kNotOpen));
}

TEST_F(EmbedderTest, WritingBeforeChecking) {
  auto with_list = request();
  with_list.output.checksums = "list";
  auto split = request();
  split.target = kSplitPath;
  for (const auto& wanted : {request(), with_list, split}) {
    auto job = prepared(wanted);
    EXPECT_THAT(write(job, context_), FailsWith(ErrorCode::kUsage, kNotChecked));
    EXPECT_EQ(files_.commit_count(), 0U);
  }
}

TEST_F(EmbedderTest, WritingWhatAFailedCheckForbids) {
  auto wanted = request();
  wanted.output.path = kTargetPath;
  wanted.output.overwrite = Overwrite::kYes;
  auto job = prepared(wanted);
  EXPECT_THAT(check(job, context_), FailsWith(ErrorCode::kRefused, "the output is an input"));
  EXPECT_THAT(write(job, context_), FailsWith(ErrorCode::kUsage, kNotChecked));
  EXPECT_EQ(files_.commit_count(), 0U);
}

TEST_F(EmbedderTest, UsingAJobTwice) {
  auto job = prepared();
  ASSERT_THAT(check(job, context_), IsOk());
  ASSERT_THAT(check(job, context_), IsOk());
  ASSERT_THAT(write(job, context_), IsOk());
  EXPECT_THAT(write(job, context_), FailsWith(ErrorCode::kUsage, kNotOpen));
  EXPECT_THAT(check(job, context_), FailsWith(ErrorCode::kUsage, kNotOpen));
  EXPECT_THAT(complete(job, context_), IsOk());
  EXPECT_EQ(files_.commit_count(), 1U);
}

TEST_F(EmbedderTest, WritingAgainAfterAFailure) {
  auto job = prepared();
  ASSERT_THAT(check(job, context_), IsOk());
  files_.put(kOutputPath, {});
  EXPECT_THAT(write(job, context_), FailsWith(ErrorCode::kRefused, "the output exists"));
  ASSERT_THAT(files_.remove(kOutputPath), IsOk());
  EXPECT_THAT(write(job, context_), FailsWith(ErrorCode::kUsage, kNotChecked));
  ASSERT_THAT(check(job, context_), IsOk());
  ASSERT_THAT(write(job, context_), IsOk());
  const auto& totals = job.output.totals;
  EXPECT_EQ(totals.allocated, files_.find(kOutputPath)->size());
  EXPECT_EQ(totals.copied + totals.cloned, files_.find(kOutputPath)->size());
}

TEST_F(EmbedderTest, CompletingWhatIsNoGraft) {
  ASSERT_THAT(graft(request(), context_), IsOk());
  auto stripping = prepare_strip({.file = kOutputPath, .output = {.path = "again.gguf"}}, context_);
  ASSERT_THAT(stripping, IsOk());
  EXPECT_THAT(complete(stripping.value(), context_), IsOk());
  auto extracting =
      prepare_extract({.donor = {.path = kDonorPath}, .target = kTargetPath, .output = {.path = "x.gguf"}}, context_);
  ASSERT_THAT(extracting, IsOk());
  const auto bytes = extracting.value().plan.output_size();
  EXPECT_THAT(complete(extracting.value(), context_), IsOk());
  EXPECT_EQ(extracting.value().plan.output_size(), bytes);
}

TEST_F(EmbedderTest, ExtractingInPlace) {
  const ExtractRequest wanted{
      .donor = {.path = kDonorPath}, .target = kTargetPath, .output = {.path = "x.gguf", .in_place = true}};
  EXPECT_THAT(extract(wanted, context_), FailsWith(ErrorCode::kUsage, "not extracted in place"));
}

TEST_F(EmbedderTest, NamesOfFilesThatTheOutputDoesNotHave) {
  auto split = request();
  split.target = kSplitPath;
  auto job = prepared(split);
  for (const auto* const name : {"one.gguf", "x-00002-of-00005.gguf", "x-00001-of-00004.gguf", ""}) {
    job.output.path = name;
    EXPECT_THAT(check(job, context_), FailsWith(ErrorCode::kUsage, "of the first of 5 files"));
  }
  ASSERT_THAT(graft(split, context_), IsOk());
  EXPECT_THAT(
      strip({.file = "four-MTP-Q4_K_M-00001-of-00005.gguf", .output = {.path = "y-00001-of-00007.gguf"}}, context_),
      FailsWith(ErrorCode::kUsage, "of the first of 4 files"));
  EXPECT_THAT(model_paths("one.gguf", 3), testing::SizeIs(3));
}

TEST_F(EmbedderTest, NumbersOutOfRange) {
  for (const double factor : {0.0, -1.0, 1.0, std::nan(""), HUGE_VAL}) {
    auto wanted = request();
    wanted.yarn_factor = factor;
    EXPECT_THAT(prepare_graft(wanted, context_), FailsWith(ErrorCode::kUsage, "the factor must be above 1"));
  }
  const auto disk = make_file_system();
  for (const int offset : {-1, 2}) {
    const auto donor =
        open_donor({.path = std::string(MODELS_DIR) + "/hf-base-8L", .norm_offset = offset}, "qwen35", {*disk});
    ASSERT_THAT(donor, FailsWith(ErrorCode::kUsage, "must be 0 or 1"));
    EXPECT_EQ(donor.error().field, RequestField::kNormOffset);
  }
}

TEST_F(EmbedderTest, ValuesThatNoFileCanHave) {
  const auto value = [](ValueType type, ValueType element, std::uint64_t count, std::size_t bytes) {
    return GgufValue{type, element, count, Bytes(bytes)};
  };
  constexpr auto kNoType = static_cast<ValueType>(99);
  const std::vector<KeyEdit> edits{
      {},
      {"a.b", {}},
      {"a.b", GgufValue{}},
      {"", value(ValueType::kU8, ValueType::kU8, 1, 1)},
      {std::string(65536, 'k'), value(ValueType::kU8, ValueType::kU8, 1, 1)},
      {"a.b", value(ValueType::kU8, ValueType::kU16, 1, 1)},
      {"a.b", value(ValueType::kU8, ValueType::kU8, 2, 2)},
      {"a.b", value(ValueType::kU64, ValueType::kU64, 1, 4)},
      {"a.b", value(ValueType::kArray, ValueType::kU32, 5, 4)},
      {"a.b", value(ValueType::kArray, ValueType::kU64, std::uint64_t{1} << 61, 0)},
      {"a.b", value(ValueType::kArray, ValueType::kString, 5, 4)},
      {"a.b", value(ValueType::kArray, ValueType::kArray, 0, 0)},
      {"a.b", value(ValueType::kArray, kNoType, 0, 0)},
      {"a.b", value(kNoType, kNoType, 1, 0)},
  };
  for (const auto& edit : edits) {
    auto wanted = request();
    wanted.edits = {edit};
    const auto job = prepare_graft(wanted, context_);
    ASSERT_FALSE(job.ok()) << &edit - edits.data();
    EXPECT_EQ(job.error().code, ErrorCode::kUsage) << &edit - edits.data();
  }
  auto sound = request();
  sound.edits = {{"a.b", value(ValueType::kArray, ValueType::kU32, 0, 0)},
                 {"a.c", value(ValueType::kArray, ValueType::kString, 2, 16)},
                 {"a.d", value(ValueType::kString, ValueType::kString, 1, 0)}};
  ASSERT_THAT(graft(sound, context_), IsOk());
  EXPECT_THAT(verify({.file = kOutputPath}, context_).value().findings, IsEmpty());
}

TEST_F(EmbedderTest, CallbacksThatAreNotThere) {
  const Context nobody_told{files_, [](Phase, std::uint64_t) { return Progress(); }};
  auto split = request();
  split.target = kSplitPath;
  split.output.checksums = "list";
  EXPECT_THAT(graft(split, nobody_told), IsOk());
  auto job = prepared();
  ASSERT_THAT(check(job, nobody_told), IsOk());
  EXPECT_THAT(write(job, nobody_told, [](std::size_t) { return ByteSink(); }), IsOk());
  EXPECT_THAT(verify({.file = kOutputPath, .target = kTargetPath, .donor = {.path = kDonorPath}}, nobody_told), IsOk());
}

TEST_F(EmbedderTest, CallbacksThatThrow) {
  const auto throwing = [](auto&&...) -> bool { throw std::runtime_error("thrown"); };
  const Context context{files_, [&](Phase, std::uint64_t) { return Progress(throwing); }};
  EXPECT_THROW((void)graft(request(), context).ok(), std::runtime_error);
  auto job = prepared();
  ASSERT_THAT(check(job, context_), IsOk());
  const auto observe = [&](std::size_t) {
    // Not before a thread reads ahead.
    return ByteSink([&, seen = std::size_t{0}](std::span<const std::byte> bytes) mutable {
      seen += bytes.size();
      if (seen > 1'000'000) {
        throwing();
      }
    });
  };
  EXPECT_THROW((void)write(job, context_, observe).ok(), std::runtime_error);
  EXPECT_EQ(files_.commit_count(), 0U);
  ASSERT_THAT(graft(request(), context_), IsOk());
  const VerifyRequest verifying{.file = kOutputPath, .target = kTargetPath, .donor = {.path = kDonorPath}};
  // Called by threads of the library too, which an exception would end with the program.
  const auto fails = [&] {
    try {
      return !verify(verifying, context).ok();
    } catch (const std::runtime_error&) {
      return true;
    }
  };
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(fails());
  }
}

TEST_F(EmbedderTest, ADonorOnAServerWithoutCallbacks) {
  if (http_library().empty()) {
    GTEST_SKIP() << "built without libcurl";
  }
  ::setenv("NO_PROXY", "*", 1);
  const TempDir folder;
  std::filesystem::copy_file(model_path("mtp-base-8L-Q8_0"), folder.path(kDonorPath));
  const BadServer server(folder.root(), folder.path("log"));
  auto wanted = request();
  wanted.donor = {.path = server.origin() + "/good/" + kDonorPath, .remote = {.no_cache = true}};
  for (const auto& context : {context_, Context{files_, [](Phase, std::uint64_t) { return Progress(); }}}) {
    wanted.output.overwrite = Overwrite::kYes;
    const auto job = graft(wanted, context);
    ASSERT_THAT(job, IsOk());
    EXPECT_GT(job.value().fetch->received_bytes, 0U);
  }
  const auto served = *files_.find(kOutputPath);
  auto local = request();
  local.output.overwrite = Overwrite::kYes;
  ASSERT_THAT(graft(local, context_), IsOk());
  EXPECT_TRUE(served == *files_.find(kOutputPath));
}

TEST_F(EmbedderTest, FilesOfAnotherFileSystem) {
  const auto disk = make_file_system();
  const MemoryFile file("x", Bytes(100));
  constexpr auto kMessage = "is a file of another file system";
  EXPECT_THAT(disk->in_place_method(file, {}), FailsWith(ErrorCode::kUsage, kMessage));
  for (const auto method : {InPlaceMethod::kClone, InPlaceMethod::kInsert}) {
    EXPECT_THAT(disk->stage_in_place(file, {}, method), FailsWith(ErrorCode::kUsage, kMessage));
  }
  for (const auto method : {LinkMethod::kHard, LinkMethod::kSymbolic}) {
    EXPECT_THAT(disk->stage_link("y", file, method), FailsWith(ErrorCode::kUsage, kMessage));
  }
}

// The directory of a file system of one's own is none of this machine.
TEST_F(EmbedderTest, SplitOutputsInAnotherFileSystem) {
  auto split = request();
  split.target = kSplitPath;
  split.output = {.path = "no/such/directory/x.gguf", .checksums = "no/such/directory/list"};
  ASSERT_THAT(graft(split, context_), IsOk());
  EXPECT_NE(files_.find("no/such/directory/x-00005-of-00005.gguf"), nullptr);
  auto same = request();
  same.output = {.path = "no/such/directory/y.gguf", .checksums = "no/such/directory/./y.gguf"};
  EXPECT_THAT(graft(same, context_), FailsWith(ErrorCode::kRefused, "is the output too"));
}

TEST_F(EmbedderTest, ModelsThatNobodyRead) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  auto data = head_data_of(donor);
  EXPECT_THAT(read_model({}), FailsWith(ErrorCode::kUsage, "at least one file"));
  EXPECT_THAT(verify_graft({}, opened(target), opened(donor), {}, SharedExtents::kRead, {}),
              FailsWith(ErrorCode::kUsage, "at least one file"));
  EXPECT_THAT(make_graft_plan({}, {}, {}, {}), FailsWith(ErrorCode::kIncompatible, "no key"));
  EXPECT_THAT(make_strip_plan({}, {}), FailsWith(ErrorCode::kIncompatible, "no head"));
  EXPECT_EQ(summarise({}).head.state, HeadState::kNone);
  constexpr auto kMessage = "not those of the donor";
  for (const auto& bad : {HeadData{}, HeadData{{data.vectors.begin() + 1, data.vectors.end()}, {}},
                          HeadData{{data.vectors.rbegin(), data.vectors.rend()}, {}}}) {
    EXPECT_THAT(make_graft_plan(target.gguf, donor.gguf, bad, {}), FailsWith(ErrorCode::kUsage, kMessage));
    EXPECT_THAT(make_extract_plan(donor.gguf, bad, nullptr, ExtractForm::kSidecar),
                FailsWith(ErrorCode::kUsage, kMessage));
    EXPECT_THAT(make_extract_plan(donor.gguf, bad, &target.gguf, ExtractForm::kTensorsOnly),
                FailsWith(ErrorCode::kUsage, kMessage));
  }
}

TEST_F(EmbedderTest, MoreBytesThanAPlanHas) {
  const FilePlan nothing;
  ChecksumCollector collector(nothing);
  collector.observe(Bytes(1));
  EXPECT_THAT(collector.finish(), testing::SizeIs(1));
}

}  // namespace
}  // namespace mtpgraft
