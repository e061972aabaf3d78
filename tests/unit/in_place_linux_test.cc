// Changing a file in place by inserting blocks: whatever stops it and wherever, the file is mended to the last byte.
#include "in_place_linux.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <csignal>
#include <thread>

#include "io/in_place.h"
#include "mtpgraft/execute.h"

namespace mtpgraft {
namespace {

class InsertionTest : public ShiftTest {
 protected:
  // Leaves the file as a process does that is killed in that step.
  static void interrupt(const std::string& path, const Change& change, std::string_view step, std::size_t occurrence) {
    const auto after_step = [&](std::string_view passed) {
      if (passed == step && occurrence-- == 0) {
        ::_exit(kKilled);
      }
    };
    ASSERT_EQ(in_child([&] { return apply_change(path, change, after_step).ok() ? 0 : 1; }), kKilled);
  }

  // The bytes are appended, and nothing is inserted yet.
  static void stop_before_the_insertion(const std::string& path, const Change& change) {
    interrupt(path, change, "entered a step", 0);
  }

  // The blocks are inserted, and nothing of the header is written yet.
  static void stop_before_the_header(const std::string& path, const Change& change) {
    interrupt(path, change, "entered a step", 1);
  }

  // Neither the file nor its journal has changed.
  template <class Outcome>
  static void expect_refusal(const std::string& path, const Outcome& matcher) {
    const auto file = read_bytes(path);
    const auto journal = read_bytes(journal_path(path));
    EXPECT_THAT(recover_in_place(path), matcher);
    EXPECT_TRUE(read_bytes(path) == file);
    EXPECT_TRUE(read_bytes(journal_path(path)) == journal);
  }
};

// The real model, grafted by the program's executor.
class RealInsertionTest : public InsertionTest {
 protected:
  struct Graft {
    FilePlan plan;
    Change change;
  };

  static const Graft& graft() {
    static const Graft result = [] {
      const auto target = load_model(kTarget);
      const auto donor = load_model(kDonor);
      Graft made{make_file_plan(target, donor), {}};
      made.change = {target.bytes(), spell(made.plan, target, donor), {plan_body(made.plan), made.plan.output_size}};
      return made;
    }();
    return result;
  }

  static Result<std::vector<CopiedSegment>> graft_in_place(const std::string& path, AfterStep after_step = {}) {
    const auto files = make_file_system();
    MTPGRAFT_TRY(const auto target, open_with_lease(path));
    MTPGRAFT_TRY(const auto donor, files->open(model_path(kDonor).string()));
    MTPGRAFT_CHECK(check_change(*target, graft().change.in_place));
    const auto staged = stage_change(*target, graft().change.in_place, std::move(after_step));
    MTPGRAFT_TRY(auto copies, execute_plan(graft().plan, *target, *donor, *staged, {}, keep_going));
    MTPGRAFT_CHECK(staged->commit(Overwrite::kYes, Durability::kSync));
    return copies;
  }
};

TEST_F(RealInsertionTest, MakesTheGraftThatThePlanSpells) {
  const auto path = put(graft().change.before);
  const auto copies = graft_in_place(path);
  ASSERT_THAT(copies, IsOk());
  EXPECT_TRUE(read_bytes(path) == graft().change.after);
  EXPECT_EQ(file_count(), 1U);
  std::uint64_t kept = 0;
  for (const auto& copy : copies.value()) {
    kept += copy.copied.kept;
    EXPECT_EQ(copy.cloned_bytes + copy.copied.kept + copy.copied.buffered, copy.range.length);
  }
  EXPECT_EQ(kept, graft().change.in_place.kept.length);
}

TEST_F(RealInsertionTest, KilledAfterAnyStepItIsMended) {
  auto path = put(graft().change.before);
  std::vector<std::string> steps;
  ASSERT_THAT(graft_in_place(path, [&](std::string_view step) { steps.emplace_back(step); }), IsOk());
  ASSERT_GT(steps.size(), 10U);
  path = put(graft().change.before);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    SCOPED_TRACE(fmt::format("step {}: {}", i, steps[i]));
    ASSERT_EQ(in_child([&] { return graft_in_place(path, die_in_step(i)).ok() ? 0 : 1; }), kKilled);
    if (steps[i] == "deleted the journal") {
      expect_recovery(path, Recovery::kNothingToDo, graft().change.after);
    } else if (steps[i] == "wrote a part of the header" || steps[i] == "synced the header") {
      expect_recovery(path, Recovery::kCompleted, graft().change.after);
      path = put(graft().change.before);
    } else {
      expect_recovery(path, Recovery::kRolledBack, graft().change.before);
    }
  }
}

TEST_F(InsertionTest, KilledAfterAnyStepItIsMended) {
  for (const auto& change : make_changes()) {
    auto path = put(change.before);
    std::vector<std::string> steps;
    ASSERT_THAT(apply_change(path, change, [&](std::string_view step) { steps.emplace_back(step); }), IsOk());
    ASSERT_TRUE(read_bytes(path) == change.after);
    ASSERT_EQ(file_count(), 1U);
    const auto header_parts = std::ranges::count(steps, "wrote a part of the header");
    auto parts_written = std::ptrdiff_t{0};
    for (std::size_t i = 0; i < steps.size(); ++i) {
      SCOPED_TRACE(fmt::format("{} bytes inserted, step {}: {}", change.inserted(), i, steps[i]));
      path = put(change.before);
      ASSERT_EQ(in_child([&] { return apply_change(path, change, die_in_step(i)).ok() ? 0 : 1; }), kKilled);
      parts_written += steps[i] == "wrote a part of the header" ? 1 : 0;
      if (i + 1 == steps.size()) {
        expect_recovery(path, Recovery::kNothingToDo, change.after);
      } else if (parts_written == header_parts) {
        expect_recovery(path, Recovery::kCompleted, change.after);
      } else {
        expect_recovery(path, Recovery::kRolledBack, change.before);
      }
    }
    EXPECT_EQ(file_count(), 1U);
  }
}

// A hole would be taken for the gap that the insertion leaves.
TEST_F(InsertionTest, WritesZerosAndNoHoles) {
  const auto change = make_change(5'000, 50'000, kBlock, 20'000, 500'000);
  const auto path = put(change.before);
  stop_before_the_insertion(path, change);
  const auto size = std::filesystem::file_size(path);
  EXPECT_EQ(size, change.after.size() - change.inserted());
  {
    const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(static_cast<std::uint64_t>(::lseek(fd.get(), 0, SEEK_HOLE)), size);
  }
  expect_recovery(path, Recovery::kRolledBack, change.before);
}

// An exception stands for any error: the staged file is destroyed, and undoes what was done.
TEST_F(InsertionTest, UndoesItselfWhateverFails) {
  for (const auto& change : make_changes()) {
    std::size_t count = 0;
    auto path = put(change.before);
    ASSERT_THAT(apply_change(path, change, [&](std::string_view) { ++count; }), IsOk());
    bool complete = false;
    for (std::size_t i = 0; i < count; ++i) {
      SCOPED_TRACE(fmt::format("{} bytes inserted, step {}", change.inserted(), i));
      path = put(change.before);
      const auto fail = [&, left = i](std::string_view) mutable {
        if (left-- == 0) {
          throw std::runtime_error("fails");
        }
      };
      EXPECT_THROW((void)apply_change(path, change, fail).ok(), std::runtime_error);
      EXPECT_FALSE(has_journal(path).value());
      const auto left = read_bytes(path);
      complete = complete || left == change.after;
      EXPECT_TRUE(left == (complete ? change.after : change.before));
    }
    EXPECT_TRUE(complete);
  }
}

TEST_F(InsertionTest, UndoesItselfIfTheDiskTakesNoMore) {
  const auto change = make_change(5'000, 200'000, kBlock);
  for (const std::uint64_t allowed : {0U, 1U, 4'096U, 50'000U}) {
    const auto path = put(change.before);
    const auto result = in_child([&] {
      ::signal(SIGXFSZ, SIG_IGN);
      const struct rlimit limit { change.before.size() + allowed, change.before.size() + allowed };
      ::setrlimit(RLIMIT_FSIZE, &limit);
      const auto status = apply_change(path, change);
      return status.ok() ? 1 : status.error().code == ErrorCode::kIo ? 0 : 2;
    });
    EXPECT_EQ(result, 0) << allowed;
    EXPECT_TRUE(read_bytes(path) == change.before);
    EXPECT_EQ(file_count(), 1U);
  }
}

TEST_F(InsertionTest, IsUndoneWithoutACommit) {
  const auto change = make_change(5'000, 200'000, kBlock);
  const auto path = put(change.before);
  {
    const auto file = open_with_lease(path);
    ASSERT_THAT(file, IsOk());
    const auto staged = stage_change(*file.value(), change.in_place);
    ASSERT_THAT(write_change(*staged, *file.value(), change), IsOk());
    EXPECT_TRUE(has_journal(path).value());
    EXPECT_GT(std::filesystem::file_size(path), change.before.size());
  }
  EXPECT_TRUE(read_bytes(path) == change.before);
  EXPECT_EQ(file_count(), 1U);
}

// Makes the state before the insertion again without the work, from what a stopped change has left.
class Stopped {
 public:
  Stopped(std::string path, const Change& change)
      : path_(std::move(path)), change_(change), tail_(read_bytes(path_)), journal_(read_bytes(journal_path(path_))) {
    tail_.erase(tail_.begin(), tail_.begin() + static_cast<std::ptrdiff_t>(change.before.size()));
  }

  // The file is as it was before the change.
  void restore() const {
    write_at(path_, change_.before.size(), tail_);
    write_bytes(journal_path(path_), journal_);
  }

  // The state that an insertion leaves which is killed when everything from `position` on is shifted; file systems
  // shift from the end to the front, and taking the blocks out again goes through the same states.
  void shift_from(std::uint64_t position) const {
    const auto size = change_.before.size() + tail_.size();
    if (position < size) {
      ASSERT_TRUE(change_blocks(path_, FALLOC_FL_INSERT_RANGE, position, change_.inserted()));
    } else {
      std::filesystem::resize_file(path_, size + change_.inserted());
    }
  }

 private:
  std::string path_;
  const Change& change_;
  Bytes tail_;
  Bytes journal_;
};

TEST_F(InsertionTest, AGapAnywhereIsTakenOut) {
  for (const auto& change : make_changes()) {
    if (change.inserted() == 0) {
      continue;
    }
    const auto path = put(change.before);
    stop_before_the_insertion(path, change);
    const Stopped stopped(path, change);
    expect_recovery(path, Recovery::kRolledBack, change.before);
    const auto size = change.after.size() - change.inserted();
    for (std::uint64_t position = 0; position < size + kBlock; position += kBlock) {
      SCOPED_TRACE(fmt::format("a gap of {} at {} of {}", change.inserted(), position, size));
      stopped.restore();
      ASSERT_NO_FATAL_FAILURE(stopped.shift_from(position));
      ASSERT_NO_FATAL_FAILURE(expect_recovery(path, Recovery::kRolledBack, change.before));
    }
  }
}

TEST_F(RealInsertionTest, AGapAnywhereIsTakenOut) {
  const auto& change = graft().change;
  const auto path = put(change.before);
  ASSERT_EQ(in_child([&] {
              return graft_in_place(
                         path,
                         [](std::string_view step) {
                           if (step == "entered a step") {
                             ::_exit(kKilled);
                           }
                         }).ok()
                         ? 0
                         : 1;
            }),
            kKilled);
  const Stopped stopped(path, change);
  expect_recovery(path, Recovery::kRolledBack, change.before);
  const auto size = change.after.size() - change.inserted();
  const auto block_count = size / kBlock;
  for (std::uint64_t block = 0; block <= block_count + 1; block += block + 3 < block_count ? block_count / 28 : 1) {
    SCOPED_TRACE(block);
    stopped.restore();
    ASSERT_NO_FATAL_FAILURE(stopped.shift_from(block * kBlock));
    ASSERT_NO_FATAL_FAILURE(expect_recovery(path, Recovery::kRolledBack, change.before));
  }
}

TEST_F(InsertionTest, AHalfWrittenHeaderIsTakenBack) {
  for (const auto& change : make_changes()) {
    const auto path = put(change.before);
    const auto length = change.in_place.kept.offset;
    for (const auto written : {std::uint64_t{0}, std::uint64_t{1}, kBlock - 1, length / 2, length - 1, length}) {
      if (written > length) {
        continue;
      }
      SCOPED_TRACE(fmt::format("{} of {} bytes", written, length));
      stop_before_the_header(path, change);
      write_at(path, 0, part_of(change.after, 0, written));
      if (written == length) {
        expect_recovery(path, Recovery::kCompleted, change.after);
      } else {
        expect_recovery(path, Recovery::kRolledBack, change.before);
      }
    }
  }
}

// The states that an interrupted recovery leaves; gaps are above.
TEST_F(InsertionTest, ARecoveryThatWasInterruptedGoesOn) {
  for (const auto& change : make_changes()) {
    const auto old_header = part_of(change.before, 0, change.in_place.kept.source_offset);
    constexpr int kStates = 6;
    for (int state = 0; state < kStates; ++state) {
      SCOPED_TRACE(fmt::format("{} bytes inserted, state {}", change.inserted(), state));
      const auto path = put(change.before);
      stop_before_the_header(path, change);
      write_at(path, 0, part_of(change.after, 0, change.in_place.kept.offset / 2));
      write_at(path, change.inserted(), old_header.first(state == 0 ? old_header.size() / 2 : old_header.size()));
      if (state >= 2 && change.inserted() > 0) {
        ASSERT_TRUE(change_blocks(path, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, change.inserted()));
      }
      if (state >= 3) {
        set_step(path, JournalStep::kInsert);
      }
      if (state >= 4 && change.inserted() > 0) {
        ASSERT_TRUE(change_blocks(path, FALLOC_FL_COLLAPSE_RANGE, 0, change.inserted()));
      }
      if (state >= 5) {
        std::filesystem::resize_file(path, change.before.size());
      }
      expect_recovery(path, Recovery::kRolledBack, change.before);
    }
  }
}

// The same, but before anything was inserted: only bytes behind the end are to be cut off.
TEST_F(InsertionTest, AnInterruptedRecoveryOfTheAppendingGoesOn) {
  const auto change = make_change(5'000, 200'000, kBlock);
  const auto path = put(change.before);
  interrupt(path, change, "synced the head", 0);
  std::filesystem::resize_file(path, change.before.size());
  expect_recovery(path, Recovery::kRolledBack, change.before);
}

TEST_F(InsertionTest, WithoutAJournalThereIsNothingToRecover) {
  const auto bytes = noise(10'000, 1);
  const auto path = put(bytes);
  expect_recovery(path, Recovery::kNothingToDo, bytes);
}

TEST_F(InsertionTest, RecoversThroughALinkedDirectoryButNotThroughALinkToTheFile) {
  const auto change = make_change(5'000, 50'000, kBlock);
  const auto path = put(change.before);
  std::filesystem::create_directory(folder_.path("elsewhere"));
  std::filesystem::create_directory_symlink("..", folder_.path("elsewhere/up"));
  const auto linked = folder_.path("elsewhere/up/file");
  const auto link = folder_.path("elsewhere/link");
  std::filesystem::create_symlink(path, link);
  EXPECT_THAT(open_with_lease(link), FailsWith(ErrorCode::kIo, "symbolic links"));
  ASSERT_EQ(in_child([&] { return apply_change(linked, change, die_in_step(3)).ok() ? 0 : 1; }), kKilled);
  EXPECT_TRUE(std::filesystem::exists(path + ".mtpgraft-journal"));
  EXPECT_THAT(recover_in_place(link), FailsWith(ErrorCode::kRefused, "is a symbolic link"));
  expect_recovery(linked, Recovery::kRolledBack, change.before);
}

// What gets the journal's name meanwhile is somebody else's.
TEST_F(InsertionTest, AFileThatTakesTheJournalsNameIsNeitherWrittenNorDeleted) {
  const auto change = make_change(5'000, 50'000, kBlock);
  for (const std::string moment : {"wrote the journal", "synced the header"}) {
    const auto path = put(change.before);
    const auto other = noise(5'000, 9);
    write_bytes(folder_.path("other"), other);
    const auto replace = [&](std::string_view step) {
      if (step == moment) {
        std::filesystem::rename(folder_.path("other"), journal_path(path));
      }
    };
    EXPECT_THAT(apply_change(path, change, replace), FailsWith(ErrorCode::kRefused, "taken the journal's name"));
    EXPECT_TRUE(read_bytes(path) == change.after);
    EXPECT_TRUE(read_bytes(journal_path(path)) == other);
  }
}

TEST_F(InsertionTest, ADamagedJournalMendsNothing) {
  const auto change = make_change(5'000, 50'000, kBlock);
  const auto path = put(change.before);
  stop_before_the_header(path, change);
  const auto journal = read_bytes(journal_path(path));
  ASSERT_GT(journal.size(), 9'000U);
  for (std::size_t i = 0; i < journal.size(); i += i < 300 ? 7 : 331) {
    if (i == kJournalStepOffset) {
      continue;
    }
    auto damaged = journal;
    damaged[i] ^= std::byte{0x04};
    write_bytes(journal_path(path), damaged);
    SCOPED_TRACE(i);
    expect_refusal(path, FailsWith(ErrorCode::kMalformed, "journal"));
  }
  for (const std::size_t size : std::vector<std::size_t>{0, 1, 4'095, 4'096, journal.size() - 1}) {
    write_bytes(journal_path(path), std::span(journal).first(size));
    SCOPED_TRACE(size);
    expect_refusal(path, FailsWith(ErrorCode::kMalformed, "journal"));
  }
  write_bytes(journal_path(path), journal);
  expect_recovery(path, Recovery::kRolledBack, change.before);
}

TEST_F(InsertionTest, TheJournalOfAnotherFileMendsNothing) {
  const auto change = make_change(5'000, 50'000, kBlock);
  const auto path = put(change.before);
  stop_before_the_header(path, change);
  std::filesystem::rename(path, folder_.path("moved"));
  write_bytes(path, noise(change.after.size(), 7));
  expect_refusal(path, FailsWith(ErrorCode::kRefused, "another file"));
}

TEST_F(InsertionTest, AFileOfImpossibleSizeIsNotTouched) {
  const auto change = make_change(5'000, 50'000, 2 * kBlock);
  const auto old_size = change.before.size();
  const auto new_size = change.after.size();
  const auto appended_size = new_size - change.inserted();
  struct Case {
    JournalStep step;
    std::vector<std::uint64_t> sizes;
  };
  const std::vector<Case> cases{
      {JournalStep::kAppend, {0, old_size - 1, appended_size + 1, new_size, new_size + 1}},
      {JournalStep::kInsert, {0, old_size - 1, old_size + 1, appended_size + 1, new_size - 1, new_size + 1}},
      {JournalStep::kHeader, {0, old_size, appended_size, new_size - 1, new_size + 1}}};
  for (const auto& entry : cases) {
    for (const auto size : entry.sizes) {
      SCOPED_TRACE(fmt::format("step {}, {} bytes", static_cast<char>(entry.step), size));
      const auto path = put(change.before);
      stop_before_the_header(path, change);
      set_step(path, entry.step);
      std::filesystem::resize_file(path, size);
      expect_refusal(path, FailsWith(ErrorCode::kMalformed, "no state"));
    }
  }
}

// Whose header another program has written to, or that was put in its place with the same inode.
TEST_F(InsertionTest, AFileWithAnotherHeaderIsNotTouched) {
  const auto change = make_change(5'000, 50'000, kBlock);
  for (const std::uint64_t place : {0U, 4'999U}) {
    const auto path = put(change.before);
    interrupt(path, change, "synced the head", 0);
    const auto byte = change.before[place] ^ std::byte{1};
    write_at(path, place, {&byte, 1});
    expect_refusal(path, FailsWith(ErrorCode::kMalformed, "no state"));
  }
}

// Another model's graft, put in the place of a broken one, may have its size and its inode.
TEST_F(InsertionTest, AnotherFileOfTheFinalSizeIsNotTouched) {
  const auto change = make_change(5'000, 50'000, kBlock);
  for (const std::uint64_t place : {std::uint64_t{0}, kBlock, kBlock + 4'999}) {
    const auto path = put(change.before);
    stop_before_the_header(path, change);
    write_at(path, 0, part_of(change.after, 0, change.in_place.kept.offset / 2));
    const auto foreign = ~change.after[place];
    write_at(path, place, {&foreign, 1});
    expect_refusal(path, FailsWith(ErrorCode::kMalformed, "no state"));
  }
}

// A gap of another length, or none, in a file of the right size.
TEST_F(InsertionTest, AFileWithoutTheGapIsNotTouched) {
  const auto change = make_change(5'000, 50'000, 2 * kBlock);
  for (const std::uint64_t gap : {std::uint64_t{0}, kBlock, 3 * kBlock}) {
    SCOPED_TRACE(gap);
    const auto path = put(change.before);
    stop_before_the_insertion(path, change);
    write_at(path, 0, noise(change.after.size(), 5));
    if (gap > 0) {
      ASSERT_TRUE(change_blocks(path, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * kBlock, gap));
    }
    expect_refusal(path, FailsWith(ErrorCode::kMalformed, "no state"));
  }
}

TEST_F(InsertionTest, AFileInUseIsNotOpenedToBeChanged) {
  const auto path = put(noise(10'000, 1));
  for (const int mode : {O_RDONLY, O_WRONLY, O_RDWR}) {
    const FileDescriptor other(::open(path.c_str(), mode | O_CLOEXEC));
    EXPECT_THAT(open_with_lease(path), FailsWith(ErrorCode::kRefused, "has the file open"));
  }
  EXPECT_THAT(open_with_lease(path), IsOk());
}

TEST_F(InsertionTest, AFileInUseElsewhereIsNotOpenedToBeChanged) {
  const auto path = put(noise(10'000, 1));
  std::array<int, 2> ready{};
  std::array<int, 2> leave{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  ASSERT_EQ(::pipe(leave.data()), 0);
  const auto child = ::fork();
  char byte = 0;
  if (child == 0) {
    const auto fd = ::open(path.c_str(), O_RDONLY);
    ::_exit(fd >= 0 && ::write(ready[1], &byte, 1) == 1 && ::read(leave[0], &byte, 1) == 1 ? 0 : 1);
  }
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(open_with_lease(path), FailsWith(ErrorCode::kRefused, "has the file open"));
  ASSERT_EQ(::write(leave[1], &byte, 1), 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(open_with_lease(path), IsOk());
  for (const int fd : {ready[0], ready[1], leave[0], leave[1]}) {
    ::close(fd);
  }
}

TEST_F(InsertionTest, NoticesThatAnotherProgramWantsTheFile) {
  const auto path = put(noise(10'000, 1));
  auto file = open_with_lease(path);
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(file.value()->check_unchanged(), IsOk());
  const auto child = ::fork();
  if (child == 0) {
    // Hangs until the lease is gone; that is when the last descriptor of the opened file is closed, ours included.
    ::close(file.value()->descriptor());
    ::_exit(::open(path.c_str(), O_RDONLY) >= 0 ? 0 : 1);
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (file.value()->check_unchanged().ok() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_THAT(file.value()->check_unchanged(), FailsWith(ErrorCode::kRefused, "another program"));
  std::move(file).value().reset();
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(InsertionTest, OpensOnlyRegularFilesToBeChanged) {
  EXPECT_FALSE(open_with_lease(folder_.root()).ok());
  EXPECT_THAT(open_with_lease(folder_.path("missing")), FailsWith(ErrorCode::kIo, "No such file"));
  ASSERT_EQ(::mkfifo(folder_.path("pipe").c_str(), 0600), 0);
  EXPECT_THAT(open_with_lease(folder_.path("pipe")), FailsWith(ErrorCode::kRefused, "not a regular file"));
}

TEST_F(InsertionTest, RefusesSparseFiles) {
  const auto change = make_change(5'000, 200'000, kBlock);
  const auto path = put(change.before);
  ASSERT_TRUE(change_blocks(path, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10 * kBlock, kBlock));
  expect_no_change(path, change.in_place, "sparse");
  put(change.before);
  std::filesystem::resize_file(path, change.before.size() + 2 * kBlock);
  auto longer = change.in_place;
  longer.kept.length += 2 * kBlock;
  longer.new_size += 2 * kBlock;
  expect_no_change(path, longer, "sparse");
}

TEST_F(InsertionTest, RefusesToDropBytes) {
  auto change = make_change(5'000, 200'000, kBlock);
  const auto path = put(change.before);
  change.in_place.kept.length -= 1;
  expect_no_change(path, change.in_place, "its end would change");
}

TEST_F(InsertionTest, RefusesShiftsThatAreNoWholeBlocks) {
  const auto change = make_change(5'000, 200'000, kBlock);
  const auto path = put(change.before);
  for (const std::uint64_t offset : {5'001U, 5'000U + 512U, 5'000U + 4'097U}) {
    expect_no_change(path, {{5'000, offset, 200'000}, 300'000}, "whole blocks");
  }
}

TEST_F(InsertionTest, ChecksWithoutChangingAnything) {
  const auto change = make_change(5'000, 200'000, kBlock);
  const auto path = put(change.before);
  {
    const auto file = open_with_lease(path);
    ASSERT_THAT(file, IsOk());
    EXPECT_THAT(check_change(*file.value(), change.in_place), IsOk());
  }
  EXPECT_TRUE(read_bytes(path) == change.before);
  EXPECT_EQ(file_count(), 1U);
}

// Until it is mended, nothing is to be done with it.
TEST_F(InsertionTest, AnInterruptedFileIsRefusedUnderAllItsNames) {
  const auto change = make_change(5'000, 50'000, kBlock);
  const auto path = put(change.before);
  const auto link = folder_.path("link");
  std::filesystem::create_symlink("file", link);
  stop_before_the_header(path, change);
  const auto files = make_file_system();
  for (const auto& name : {path, link}) {
    EXPECT_THAT(files->open(name), FailsWith(ErrorCode::kRefused, "interrupted"));
    EXPECT_THAT(files->open_to_change(name), FailsWith(ErrorCode::kRefused, "interrupted"));
    EXPECT_THAT(files->check_output(name, {}, Overwrite::kYes), FailsWith(ErrorCode::kRefused, "interrupted"));
  }
  EXPECT_THAT(files->recover(link), FailsWith(ErrorCode::kRefused, "is a symbolic link"));
  const auto recovery = files->recover(path);
  ASSERT_THAT(recovery, IsOk());
  EXPECT_EQ(recovery.value(), Recovery::kRolledBack);
  EXPECT_THAT(files->open(path), IsOk());
  EXPECT_THAT(files->check_output(path, {}, Overwrite::kYes), IsOk());
}

}  // namespace
}  // namespace mtpgraft
