#include "mtpgraft/execute.h"

#include <atomic>

#include "matchers.h"
#include "models.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

// Writes the plan and commits it as out.gguf.
Status write_graft(FileSystem& files, const std::string& path, const Plan& plan, const ReadableFile& target,
                   const ReadableFile& donor, const Progress& progress = keep_going,
                   const ExecuteOptions& options = {}) {
  MTPGRAFT_TRY(const auto staged, files.stage(path, plan.output_size));
  MTPGRAFT_CHECK(execute_plan(plan, target, donor, *staged, options, progress));
  MTPGRAFT_CHECK(staged->commit(Overwrite::kNo, Durability::kSync));
  return ok_status();
}

TEST(Execute, WritesTheSameBytesByEveryWay) {
  const TempDir folder;
  for (const std::string_view name : {kTarget, std::string_view("target-unpadded-end")}) {
    const auto target = load_model(name);
    const auto donor = load_model("donor-norms-f16");
    const auto plan = make_plan(target, donor);
    const auto expected = spell(plan, target, donor);

    MemoryFileSystem memory;
    ASSERT_THAT(write_graft(memory, "out.gguf", plan, *target.file, *donor.file), IsOk());
    EXPECT_TRUE(*memory.find("out.gguf") == expected);

    for (const auto method : {CopyMethod::kAuto, CopyMethod::kKernel, CopyMethod::kBuffered}) {
      const auto files = make_posix_file_system();
      const auto target_file = files->open(model_path(name).string());
      const auto donor_file = files->open(model_path("donor-norms-f16").string());
      ASSERT_THAT(target_file, IsOk());
      ASSERT_THAT(donor_file, IsOk());
      const auto path = folder.path("out.gguf");
      ASSERT_THAT(write_graft(*files, path, plan, *target_file.value(), *donor_file.value(), keep_going, {method, {}}),
                  IsOk());
      EXPECT_TRUE(read_bytes(path) == expected);
      std::filesystem::remove(path);
    }
  }
}

// Knows segments, not GGUF.
TEST(Execute, FollowsAnySegments) {
  const auto bytes = [](std::string_view text) {
    const auto raw = std::as_bytes(std::span(text));
    return Bytes(raw.begin(), raw.end());
  };
  const MemoryFile target("target", bytes("0123456789"));
  const MemoryFile donor("donor", bytes("abcdefghij"));
  Plan plan;
  plan.segments = {Copy{Source::kDonor, 3, 4}, Zero{2}, Literal{bytes("XY")}, Copy{Source::kTarget, 0, 3}};
  plan.output_size = 11;
  MemoryFileSystem files;
  ASSERT_THAT(write_graft(files, "out", plan, target, donor), IsOk());
  EXPECT_EQ(*files.find("out"), bytes(std::string_view("defg\0\0XY012", 11)));
}

TEST(Execute, FailsIfAnInputChangesMeanwhile) {
  for (const bool target_changes : {true, false}) {
    const auto target = load_model("golden/tiny-qwen35-target");
    const auto donor = load_model("golden/tiny-qwen35-donor");
    const auto plan = make_plan(target, donor);
    (target_changes ? target : donor).file->pretend_change();
    MemoryFileSystem files;
    EXPECT_THAT(write_graft(files, "out.gguf", plan, *target.file, *donor.file),
                FailsWith(ErrorCode::kIo, "the file changed"));
    EXPECT_EQ(files.commit_count(), 0U);
  }
}

TEST(Execute, FailsIfAnInputIsShorterThanItWas) {
  const auto target = load_model("golden/tiny-qwen35-target");
  const auto donor = load_model("golden/tiny-qwen35-donor");
  const auto plan = make_plan(target, donor);
  auto bytes = target.bytes();
  bytes.resize(bytes.size() - 40);
  MemoryFileSystem files;
  EXPECT_THAT(write_graft(files, "out.gguf", plan, MemoryFile("short", bytes), *donor.file),
              FailsWith(ErrorCode::kIo, ""));
  EXPECT_EQ(files.find("out.gguf"), nullptr);
}

TEST(Execute, StopsWhenProgressSaysSo) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  const auto plan = make_plan(target, donor);
  const TempDir folder;
  for (int allowed = 0; allowed < 3; ++allowed) {
    int calls = 0;
    const auto progress = [&](std::uint64_t) { return calls++ < allowed; };
    MemoryFileSystem memory;
    EXPECT_THAT(write_graft(memory, "out.gguf", plan, *target.file, *donor.file, progress),
                FailsWith(ErrorCode::kInterrupted, "interrupted"));
    EXPECT_EQ(memory.commit_count(), 0U);
    EXPECT_EQ(calls, allowed + 1);

    calls = 0;
    const auto files = make_posix_file_system();
    const auto target_file = files->open(model_path(kTarget).string());
    const auto donor_file = files->open(model_path(kDonor).string());
    EXPECT_THAT(write_graft(*files, folder.path("out.gguf"), plan, *target_file.value(), *donor_file.value(), progress),
                FailsWith(ErrorCode::kInterrupted, "interrupted"));
    EXPECT_TRUE(folder.is_empty());
  }
}

TEST(Execute, ReportsAllCopiedBytes) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  const auto plan = make_plan(target, donor);
  std::uint64_t copied = 0;
  for (const auto& segment : plan.segments) {
    copied += std::holds_alternative<Copy>(segment) ? segment_length(segment) : 0;
  }
  std::uint64_t told = 0;
  MemoryFileSystem files;
  const auto progress = [&](std::uint64_t bytes) {
    told += bytes;
    return true;
  };
  ASSERT_THAT(write_graft(files, "out.gguf", plan, *target.file, *donor.file, progress), IsOk());
  EXPECT_EQ(told, copied);
}

}  // namespace
}  // namespace mtpgraft
