// What an output will take, and how its files will be made, is told before anything is written.
#include "job/check_output.h"

#include "matchers.h"
#include "models.h"
#include "mtpgraft/job.h"

namespace mtpgraft {
namespace {

using testing::Each;
using Way = OutputFile::Way;

class CheckOutputTest : public testing::Test {
 protected:
  CheckOutputTest() {
    files_.put("Model-Q4_K_M.gguf", read_bytes(model_path(kTarget)));
    files_.put("mtp.gguf", read_bytes(model_path(kDonor)));
    for (std::uint64_t i = 1; i <= 4; ++i) {
      const auto name = format_shard_name({"four-Q4_K_M", i, 4});
      files_.put(name, read_bytes(std::filesystem::path(FIXTURES_DIR) / "split" / name));
    }
  }

  Job prepare(const OutputRequest& output, const std::string& target = "Model-Q4_K_M.gguf") {
    auto job = prepare_graft({.target = target, .donor = {.path = "mtp.gguf"}, .output = output}, {files_});
    EXPECT_THAT(job, IsOk());
    return std::move(job).value();
  }
  // As it is after the check.
  Output checked(const OutputRequest& output, const std::string& target = "Model-Q4_K_M.gguf") {
    auto job = prepare(output, target);
    EXPECT_THAT(check(job, {files_}), IsOk());
    return job.output;
  }

  // Of the shards that stay as they are.
  static std::vector<Way> ways_of(const Output& output) {
    std::vector<Way> ways;
    for (std::size_t i = 1; i < 4; ++i) {
      ways.push_back(output.files.at(i).way);
    }
    return ways;
  }

  MemoryFileSystem files_;
  const std::string first_ = format_shard_name({"four-Q4_K_M", 1, 4});
};

TEST_F(CheckOutputTest, WantsRoomForWhatIsNotCloned) {
  const auto copied = checked({});
  ASSERT_EQ(copied.files.size(), 1U);
  EXPECT_EQ(copied.needed_bytes, copied.files[0].bytes);
  files_.abilities.clones = true;
  const auto cloned = checked({});
  const auto body = clonable_part(plan_body(prepare({}).plan.files.front())).length;
  EXPECT_GT(body, 1'000'000U);
  EXPECT_EQ(cloned.needed_bytes, cloned.files[0].bytes - body);
  EXPECT_EQ(checked({.copy = CopyMethod::kClone}).needed_bytes, cloned.needed_bytes);
  EXPECT_EQ(checked({.copy = CopyMethod::kBuffered}).needed_bytes, copied.needed_bytes);
  EXPECT_EQ(checked({.copy = CopyMethod::kKernel}).needed_bytes, copied.needed_bytes);
}

TEST_F(CheckOutputTest, TellsWhatIsNeededAlsoWhereTheOutputExists) {
  auto job = prepare({});
  files_.put(job.output.path, {});
  EXPECT_THAT(check(job, {files_}), FailsWith(ErrorCode::kRefused, "the output exists"));
  ASSERT_EQ(job.output.files.size(), 1U);
  EXPECT_EQ(job.output.needed_bytes, job.output.files[0].bytes);
}

TEST_F(CheckOutputTest, RefusesADiskThatIsTooSmallByOneByte) {
  auto job = prepare({});
  ASSERT_THAT(check(job, {files_}), IsOk());
  files_.abilities.free_bytes = job.output.needed_bytes;
  EXPECT_THAT(check(job, {files_}), IsOk());
  EXPECT_EQ(job.output.free_bytes, job.output.needed_bytes);
  --files_.abilities.free_bytes;
  const auto refused = check(job, {files_});
  ASSERT_THAT(refused, FailsWith(ErrorCode::kIo, "no space: "));
  EXPECT_EQ(refused.error().remedy, Remedy::kOtherDisk);
  auto in_place = prepare({.in_place = true});
  files_.abilities.free_bytes = 0;
  const auto too_large = check(in_place, {files_});
  ASSERT_THAT(too_large, FailsWith(ErrorCode::kIo, "no space: "));
  EXPECT_EQ(too_large.error().remedy, Remedy::kNone) << "another disk is no way out";
}

// The head, and both headers in the journal.
TEST_F(CheckOutputTest, WantsRoomForTheHeadAndTheJournalInPlace) {
  const auto target_bytes = files_.find("Model-Q4_K_M.gguf")->size();
  files_.abilities.in_place = InPlaceMethod::kInsert;
  const auto job = prepare({.in_place = true});
  const auto output = checked({.in_place = true});
  EXPECT_EQ(output.in_place, InPlaceMethod::kInsert);
  EXPECT_EQ(output.path, "Model-Q4_K_M.gguf");
  const auto& plan = job.plan.files.front();
  EXPECT_EQ(output.needed_bytes, plan.output_size - target_bytes + 2 * (plan.data_offset + kCloneBlockBytes));
  files_.abilities.in_place = InPlaceMethod::kClone;
  EXPECT_EQ(checked({.in_place = true}).needed_bytes, plan.output_size - clonable_part(plan_body(plan)).length);
}

TEST_F(CheckOutputTest, FailsWhereTheBodyMustBeClonedAndCannot) {
  auto job = prepare({.copy = CopyMethod::kClone});
  const auto refused = check(job, {files_});
  ASSERT_THAT(refused, FailsWith(ErrorCode::kIo, "cannot clone the target's tensor data"));
  EXPECT_EQ(refused.error().remedy, Remedy::kCopyAuto);
}

TEST_F(CheckOutputTest, LinksShardsElseClonesElseCopiesThem) {
  EXPECT_THAT(ways_of(checked({}, first_)), Each(Way::kHardLinked));
  EXPECT_THAT(ways_of(checked({.link = Link::kSymbolic}, first_)), Each(Way::kSymlinked));
  EXPECT_THAT(ways_of(checked({.link = Link::kCopy}, first_)), Each(Way::kCopied));
  files_.abilities.links = false;
  EXPECT_THAT(ways_of(checked({}, first_)), Each(Way::kCopied));
  files_.abilities.clones = true;
  EXPECT_THAT(ways_of(checked({}, first_)), Each(Way::kCloned));
  EXPECT_THAT(ways_of(checked({.link = Link::kClone}, first_)), Each(Way::kCloned));
  EXPECT_THAT(ways_of(checked({.link = Link::kCopy}, first_)), Each(Way::kCopied));
}

TEST_F(CheckOutputTest, SaysWhatElseToDoWithShardsThatCannotBeLinkedAsAsked) {
  files_.abilities.links = false;
  for (const auto link : {Link::kHard, Link::kSymbolic}) {
    auto job = prepare({.link = link}, first_);
    const auto refused = check(job, {files_});
    ASSERT_THAT(refused, FailsWith(ErrorCode::kIo, "cannot link"));
    EXPECT_EQ(refused.error().remedy, Remedy::kLinkAuto);
  }
  auto job = prepare({.link = Link::kClone}, first_);
  const auto refused = check(job, {files_});
  ASSERT_THAT(refused, FailsWith(ErrorCode::kIo, "cannot clone the shard"));
  EXPECT_EQ(refused.error().remedy, Remedy::kCopyShards);
}

// Linked files take no room, and are not written.
TEST_F(CheckOutputTest, WantsNoRoomForLinks) {
  const auto linked = checked({}, first_);
  const auto copied = checked({.link = Link::kCopy}, first_);
  ASSERT_EQ(linked.files.size(), 5U);
  std::uint64_t all = 0;
  for (const auto& file : copied.files) {
    all += file.bytes;
  }
  EXPECT_EQ(copied.needed_bytes, all);
  EXPECT_EQ(copied.bytes_to_write(), all);
  EXPECT_EQ(linked.needed_bytes, linked.files.front().bytes + linked.files.back().bytes);
  EXPECT_EQ(linked.bytes_to_write(), linked.needed_bytes);
}

TEST_F(CheckOutputTest, CountsWhatWasWrittenInWhichWay) {
  const auto totals_of = [&](const OutputRequest& request, const std::string& target) {
    auto job = prepare(request, target);
    EXPECT_THAT(check(job, {files_}), IsOk());
    EXPECT_THAT(write(job, {files_}), IsOk());
    return std::pair(job.output.totals, job.output);
  };
  const auto [copied, one] = totals_of({.path = "copied.gguf"}, "Model-Q4_K_M.gguf");
  EXPECT_EQ(copied.copied, one.files[0].bytes);
  EXPECT_EQ(copied.cloned + copied.linked + copied.kept, 0U);
  files_.abilities.clones = true;
  const auto [cloned, same] = totals_of({.path = "cloned.gguf"}, "Model-Q4_K_M.gguf");
  EXPECT_GT(cloned.cloned, 1'000'000U);
  EXPECT_EQ(cloned.cloned + cloned.copied, same.files[0].bytes);
  EXPECT_TRUE(*files_.find("cloned.gguf") == *files_.find("copied.gguf"));
  const auto [linked, several] = totals_of({.path = "linked.gguf"}, first_);
  EXPECT_EQ(linked.linked, several.files[1].bytes + several.files[2].bytes + several.files[3].bytes);
  EXPECT_EQ(linked.cloned + linked.copied, several.files[0].bytes + several.files[4].bytes);
}

TEST_F(CheckOutputTest, KnowsTheSameNameHoweverItIsSpelled) {
  EXPECT_TRUE(is_same_output("a.gguf", "./A.gguf"));
  EXPECT_TRUE(is_same_output("/tmp/a.gguf", "/tmp/../tmp/a.gguf"));
  EXPECT_FALSE(is_same_output("a.gguf", "b.gguf"));
  EXPECT_FALSE(is_same_output("a.gguf", "/tmp/a.gguf"));
}

TEST_F(CheckOutputTest, ListsOfChecksumsTakeNoNameThatIsThere) {
  auto job = prepare({.checksums = "mtp.gguf"});
  const auto refused = check(job, {files_});
  ASSERT_THAT(refused, FailsWith(ErrorCode::kRefused, "the output is an input"));
  EXPECT_EQ(refused.error().remedy, Remedy::kNameChecksums);
  files_.put("there.sums", {});
  auto there = prepare({.checksums = "there.sums"});
  EXPECT_THAT(check(there, {files_}), FailsWith(ErrorCode::kRefused, "the output exists"));
  auto replacing = prepare({.overwrite = Overwrite::kYes, .checksums = "there.sums"});
  EXPECT_THAT(check(replacing, {files_}), IsOk());
}

}  // namespace
}  // namespace mtpgraft
