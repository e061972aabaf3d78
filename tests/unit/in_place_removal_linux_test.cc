// Changing a file in place without inserting anything: what an insertion has put in is taken out again, or the header
// alone is written.
#include <fmt/core.h>
#include <sys/resource.h>

#include <csignal>

#include "in_place_linux.h"
#include "mtpgraft/execute.h"

namespace mtpgraft {
namespace {

// What undoes a change.
Change reverse(const Change& change) {
  const auto& kept = change.in_place.kept;
  return {change.after, change.before, {{kept.offset, kept.source_offset, kept.length}, change.before.size()}};
}

std::vector<Change> make_removals() {
  std::vector<Change> removals;
  for (const auto& change : make_changes()) {
    removals.push_back(reverse(change));
  }
  return removals;
}

// The words for what is done to `before` on the way to `after`.
std::vector<std::string> steps_of(const std::string& path, const Change& change) {
  std::vector<std::string> steps;
  EXPECT_THAT(apply_change(path, change, [&](std::string_view step) { steps.emplace_back(step); }), IsOk());
  EXPECT_TRUE(read_bytes(path) == change.after);
  return steps;
}

// How many steps pass before the file is another one: the journal, and a header without any bytes.
std::size_t first_change(const Change& removal) { return removal.in_place.kept.offset == 0 ? 2 : 1; }

// Ends what a killed change has left, with the journal as it is on disk, and dies in that step of it.
int die_in_recovery(const std::string& path, std::size_t step) {
  return in_child([&] {
    const auto file = open_with_lease(path);
    auto journal = JournalFile::open(*file.value());
    return end_change(*file.value(), journal.value(), die_in_step(step)).ok() ? 0 : 1;
  });
}

class RemovalTest : public ShiftTest {};

TEST_F(RemovalTest, TakesOutWhatAnInsertionHasPutIn) {
  for (const auto& change : make_changes()) {
    SCOPED_TRACE(fmt::format("{} bytes inserted", change.inserted()));
    const auto path = put(change.before);
    struct stat before {};
    ASSERT_EQ(::stat(path.c_str(), &before), 0);
    ASSERT_THAT(apply_change(path, change), IsOk());
    ASSERT_TRUE(read_bytes(path) == change.after);
    {
      const auto file = open_with_lease(path);
      ASSERT_THAT(file, IsOk());
      EXPECT_THAT(check_change(*file.value(), reverse(change).in_place), IsOk());
    }
    ASSERT_THAT(apply_change(path, reverse(change)), IsOk());
    EXPECT_TRUE(read_bytes(path) == change.before);
    EXPECT_EQ(file_count(), 1U);
    struct stat after {};
    ASSERT_EQ(::stat(path.c_str(), &after), 0);
    EXPECT_EQ(after.st_ino, before.st_ino);
  }
}

TEST_F(RemovalTest, KilledAfterAnyStepItIsFinishedOrNotBegun) {
  for (const auto& change : make_removals()) {
    auto path = put(change.before);
    const auto steps = steps_of(path, change);
    ASSERT_EQ(steps.front(), "wrote the journal");
    ASSERT_EQ(steps.back(), "deleted the journal");
    for (std::size_t i = 0; i < steps.size(); ++i) {
      SCOPED_TRACE(fmt::format("{} bytes, step {}: {}", change.before.size(), i, steps[i]));
      path = put(change.before);
      ASSERT_EQ(in_child([&] { return apply_change(path, change, die_in_step(i)).ok() ? 0 : 1; }), kKilled);
      if (i < first_change(change)) {
        expect_recovery(path, Recovery::kCompleted, change.before);
      } else if (i + 1 == steps.size()) {
        expect_recovery(path, Recovery::kNothingToDo, change.after);
      } else {
        expect_recovery(path, Recovery::kRolledBack, change.after);
      }
    }
    EXPECT_EQ(file_count(), 1U);
  }
}

TEST_F(RemovalTest, ARecoveryThatIsKilledGoesOn) {
  const auto change = reverse(make_change(5'000, 200'000, kBlock));
  const auto step_count = steps_of(put(change.before), change).size();
  for (std::size_t i = 1; i + 1 < step_count; ++i) {
    // Fewer steps are left, the further it came.
    for (std::size_t j = 0;; ++j) {
      SCOPED_TRACE(fmt::format("step {}, recovery's step {}", i, j));
      const auto path = put(change.before);
      ASSERT_EQ(in_child([&] { return apply_change(path, change, die_in_step(i)).ok() ? 0 : 1; }), kKilled);
      const auto result = die_in_recovery(path, j);
      if (result == 0) {
        break;
      }
      ASSERT_EQ(result, kKilled);
      expect_recovery(path, has_journal(path).value() ? Recovery::kRolledBack : Recovery::kNothingToDo, change.after);
    }
  }
}

// The short header is written where the long one's end still stands.
TEST_F(RemovalTest, AHalfWrittenHeaderIsFinished) {
  for (const auto& change : make_removals()) {
    const auto shift = change.in_place.kept.source_offset - change.in_place.kept.offset;
    const auto length = change.in_place.kept.offset;
    for (const auto written : {std::uint64_t{1}, length / 2, length}) {
      if (written == 0 || written > length) {
        continue;
      }
      SCOPED_TRACE(fmt::format("{} of {} bytes", written, length));
      const auto path = put(change.before);
      ASSERT_EQ(in_child([&] { return apply_change(path, change, die_in_step(0)).ok() ? 0 : 1; }), kKilled);
      write_at(path, shift, part_of(change.after, 0, written));
      expect_recovery(path, Recovery::kRolledBack, change.after);
    }
  }
}

// An exception stands for any error.
TEST_F(RemovalTest, LeavesNoJournalWhateverFails) {
  for (const auto& change : make_removals()) {
    const auto step_count = steps_of(put(change.before), change).size();
    for (std::size_t i = 0; i < step_count; ++i) {
      SCOPED_TRACE(fmt::format("{} bytes, step {}", change.before.size(), i));
      const auto path = put(change.before);
      const auto fail = [&, left = i](std::string_view) mutable {
        if (left-- == 0) {
          throw std::runtime_error("fails");
        }
      };
      EXPECT_THROW((void)apply_change(path, change, fail).ok(), std::runtime_error);
      EXPECT_TRUE(read_bytes(path) == (i < first_change(change) ? change.before : change.after));
      EXPECT_EQ(file_count(), 1U);
    }
  }
}

TEST_F(RemovalTest, DoesNothingIfTheJournalCannotBeWritten) {
  const auto change = reverse(make_change(5'000, 200'000, kBlock));
  for (const std::uint64_t allowed : {0U, 4'096U, 10'000U}) {
    const auto path = put(change.before);
    const auto result = in_child([&] {
      ::signal(SIGXFSZ, SIG_IGN);
      const struct rlimit limit { allowed, allowed };
      ::setrlimit(RLIMIT_FSIZE, &limit);
      const auto status = apply_change(path, change);
      return status.ok() ? 1 : status.error().code == ErrorCode::kIo ? 0 : 2;
    });
    EXPECT_EQ(result, 0) << allowed;
    EXPECT_TRUE(read_bytes(path) == change.before);
    EXPECT_EQ(file_count(), 1U);
  }
}

TEST_F(RemovalTest, DoesNothingWithoutACommit) {
  const auto change = reverse(make_change(5'000, 200'000, kBlock));
  const auto path = put(change.before);
  {
    const auto file = open_with_lease(path);
    ASSERT_THAT(file, IsOk());
    const auto staged = stage_change(*file.value(), change.in_place);
    ASSERT_THAT(write_change(*staged, *file.value(), change), IsOk());
    EXPECT_FALSE(has_journal(path).value());
  }
  EXPECT_TRUE(read_bytes(path) == change.before);
  EXPECT_EQ(file_count(), 1U);
}

TEST_F(RemovalTest, RefusesSparseFiles) {
  const auto change = reverse(make_change(5'000, 200'000, kBlock));
  const auto path = put(change.before);
  ASSERT_TRUE(change_blocks(path, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10 * kBlock, kBlock));
  expect_no_change(path, change.in_place, "sparse");
}

TEST_F(RemovalTest, RefusesShiftsThatAreNoWholeBlocks) {
  const auto change = reverse(make_change(5'000, 200'000, 2 * kBlock));
  const auto path = put(change.before);
  const auto source_offset = change.in_place.kept.source_offset;
  for (const std::uint64_t shift : {1U, 512U, 4'095U, 4'097U}) {
    const auto offset = source_offset - shift;
    expect_no_change(path, {{source_offset, offset, 200'000}, offset + 200'000}, "whole blocks");
  }
}

TEST_F(RemovalTest, RefusesToWriteBehindTheKeptBytes) {
  const auto change = reverse(make_change(5'000, 200'000, kBlock));
  const auto path = put(change.before);
  auto other = change.in_place;
  other.new_size += 1;
  expect_no_change(path, other, "its end would change");
  other = change.in_place;
  other.kept.length = change.before.size();
  other.new_size = other.kept.offset + other.kept.length;
  expect_no_change(path, other, "its end would change");
}

// By whichever way the file system allows, and with the real model.
TEST(Removal, OfARealGraftGivesTheTargetBack) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  const auto plan = make_file_plan(target, donor);
  const TempDir folder;
  const auto path = folder.path("file");
  write_bytes(path, target.bytes());
  const auto files = make_file_system();
  const auto graft_and_strip = [&]() -> Status {
    const InPlaceChange change{plan_body(plan), plan.output_size};
    {
      MTPGRAFT_TRY(const auto file, files->open_to_change(path));
      MTPGRAFT_TRY(const auto donor_file, files->open(model_path(kDonor).string()));
      MTPGRAFT_TRY(const auto method, files->in_place_method(*file, change));
      MTPGRAFT_TRY(const auto staged, files->stage_in_place(*file, change, method));
      const auto copies = method == InPlaceMethod::kInsert ? CopyMethod::kBuffered : CopyMethod::kAuto;
      MTPGRAFT_CHECK(execute_plan(plan, *file, *donor_file, *staged, {copies, {}}, keep_going));
      MTPGRAFT_CHECK(staged->commit(Overwrite::kYes, Durability::kSync));
    }
    EXPECT_TRUE(read_bytes(path) == spell(plan, target, donor));
    const auto back = reverse({target.bytes(), {}, change}).in_place;
    MTPGRAFT_TRY(const auto file, files->open_to_change(path));
    MTPGRAFT_TRY(const auto method, files->in_place_method(*file, back));
    MTPGRAFT_TRY(const auto staged, files->stage_in_place(*file, back, method));
    MTPGRAFT_CHECK(staged->write_at(0, part_of(target.bytes(), 0, back.kept.offset)));
    auto rest = back.kept;
    if (method == InPlaceMethod::kClone) {
      const auto part = clonable_part(back.kept);
      MTPGRAFT_TRY(const auto obstacle, staged->clone_from(*file, part));
      EXPECT_EQ(obstacle.value_or(""), "");
      const auto before = part.offset - rest.offset;
      MTPGRAFT_CHECK(staged->copy_from(*file, rest.part(0, before), {}, keep_going));
      rest = rest.part(before + part.length, rest.length - before - part.length);
    }
    MTPGRAFT_CHECK(staged->copy_from(*file, rest, {}, keep_going));
    MTPGRAFT_TRY(const auto allocated, staged->commit(Overwrite::kYes, Durability::kSync));
    EXPECT_LE(allocated, method == InPlaceMethod::kInsert ? 0 : back.kept.offset + 3 * kBlock);
    return ok_status();
  };
  const auto status = graft_and_strip();
  if (!status.ok() && status.error().code == ErrorCode::kRefused) {
    GTEST_SKIP() << describe(status.error());
  }
  ASSERT_THAT(status, IsOk());
  EXPECT_TRUE(read_bytes(path) == target.bytes());
}

// A header of 20 blocks, of which the last is the body's too, and an edit that touches two of them. The file has holes.
class EditTest : public InPlaceTest, public testing::WithParamInterface<const char*> {
 protected:
  static constexpr std::uint64_t kHeaderBytes = 19 * kBlock + 100;
  static constexpr std::uint64_t kBodyBytes = 300'000;
  static constexpr std::uint64_t kHole = 30 * kBlock;

  EditTest()
      : InPlaceTest(*GetParam() == '\0' ? std::filesystem::temp_directory_path() : std::filesystem::path(GetParam())) {}

  static Change make_edit() {
    Change edit;
    edit.before = noise(kHeaderBytes + kBodyBytes, 1);
    std::fill_n(edit.before.begin() + kHole, 4 * kBlock, std::byte{0});
    edit.after = edit.before;
    edit.after[3 * kBlock] ^= std::byte{1};
    edit.after[3 * kBlock + 7] ^= std::byte{1};
    edit.after[kHeaderBytes - 1] ^= std::byte{1};
    edit.in_place = {{kHeaderBytes, kHeaderBytes, kBodyBytes}, edit.before.size()};
    return edit;
  }

  std::string put_sparse(const Change& edit) {
    auto path = put(edit.before);
    EXPECT_TRUE(change_blocks(path, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kHole, 4 * kBlock));
    return path;
  }
};

TEST_P(EditTest, WritesOnlyTheBlocksThatDiffer) {
  const auto edit = make_edit();
  const auto path = put_sparse(edit);
  const auto files = make_file_system();
  std::uint64_t stored = 0;
  {
    const auto file = files->open_to_change(path);
    ASSERT_THAT(file, IsOk());
    stored = file.value()->stored_bytes();
    EXPECT_LT(stored, edit.before.size());
    const auto method = files->in_place_method(*file.value(), edit.in_place);
    ASSERT_THAT(method, IsOk());
    EXPECT_EQ(method.value(), InPlaceMethod::kInsert);
  }
  const auto steps = steps_of(path, edit);
  EXPECT_EQ(std::ranges::count(steps, "wrote a part of the header"), 2);
  EXPECT_EQ(files->open(path).value()->stored_bytes(), stored);
  EXPECT_EQ(file_count(), 1U);
}

TEST_P(EditTest, KilledAfterAnyStepItIsMended) {
  const auto edit = make_edit();
  const auto steps = steps_of(put_sparse(edit), edit);
  std::ptrdiff_t parts_written = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    SCOPED_TRACE(fmt::format("step {}: {}", i, steps[i]));
    const auto path = put_sparse(edit);
    ASSERT_EQ(in_child([&] { return apply_change(path, edit, die_in_step(i)).ok() ? 0 : 1; }), kKilled);
    parts_written += steps[i] == "wrote a part of the header" ? 1 : 0;
    if (i + 1 == steps.size()) {
      expect_recovery(path, Recovery::kNothingToDo, edit.after);
    } else if (parts_written == 2) {
      expect_recovery(path, Recovery::kCompleted, edit.after);
    } else {
      expect_recovery(path, Recovery::kRolledBack, edit.before);
    }
  }
}

// What no memory and no disk would hold.
TEST_P(EditTest, DoesNotDependOnTheSizeOfTheFile) {
  auto edit = make_edit();
  const auto path = put(edit.before);
  const std::uint64_t size = std::uint64_t{1} << 40;
  std::filesystem::resize_file(path, size);
  edit.in_place.kept.length = size - kHeaderBytes;
  edit.in_place.new_size = size;
  {
    const auto file = open_with_lease(path);
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT(check_change(*file.value(), edit.in_place), IsOk());
    const auto staged = stage_change(*file.value(), edit.in_place);
    ASSERT_THAT(staged->write_at(0, part_of(edit.after, 0, kHeaderBytes)), IsOk());
    ASSERT_THAT(staged->copy_from(*file.value(), edit.in_place.kept, {}, keep_going), IsOk());
    ASSERT_THAT(staged->commit(Overwrite::kYes, Durability::kSync), IsOk());
  }
  EXPECT_EQ(std::filesystem::file_size(path), size);
  std::filesystem::resize_file(path, edit.after.size());
  EXPECT_TRUE(read_bytes(path) == edit.after);
}

TEST_P(EditTest, RefusesAFileInUse) {
  const auto edit = make_edit();
  const auto path = put(edit.before);
  const FileDescriptor other(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(make_file_system()->open_to_change(path), FailsWith(ErrorCode::kRefused, "has the file open"));
}

INSTANTIATE_TEST_SUITE_P(Temporary, EditTest, testing::Values(""));
INSTANTIATE_TEST_SUITE_P(Memory, EditTest, testing::Values("/dev/shm"));

TEST(Removal, IsRefusedWhereNothingCanBeShifted) {
  const TempDir folder("/dev/shm");
  const auto path = folder.path("file");
  const auto change = reverse(make_change(5'000, 200'000, kBlock));
  write_bytes(path, change.before);
  {
    const auto files = make_file_system();
    const auto file = files->open_to_change(path);
    ASSERT_THAT(file, IsOk());
    EXPECT_THAT(files->in_place_method(*file.value(), change.in_place),
                FailsWith(ErrorCode::kRefused, "neither share blocks between files nor shift them"));
  }
  EXPECT_TRUE(read_bytes(path) == change.before);
}

}  // namespace
}  // namespace mtpgraft
