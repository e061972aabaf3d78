// What tests of changes in place share: changes without GGUF, ways to die in the middle, and files in a folder.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "io/block_insertion_linux.h"
#include "io/file_descriptor.h"
#include "io/in_place.h"
#include "io/journal_linux.h"
#include "io/recovery_linux.h"
#include "matchers.h"
#include "models.h"
#include "temp_dir.h"

namespace mtpgraft {

inline constexpr std::uint64_t kBlock = kCloneBlockBytes;

inline void write_bytes(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// Into an existing file, which keeps its inode.
inline void write_at(const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes) {
  std::fstream stream(path, std::ios::binary | std::ios::in | std::ios::out);
  stream.seekp(static_cast<std::streamoff>(offset));
  stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline std::span<const std::byte> part_of(const Bytes& bytes, std::uint64_t from, std::uint64_t length) {
  return std::span(bytes).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(length));
}

inline bool change_blocks(const std::string& path, int mode, std::uint64_t offset, std::uint64_t length) {
  const FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  return ::fallocate(fd.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0;
}

inline void set_step(const std::string& path, JournalStep step) {
  const auto byte = static_cast<std::byte>(step);
  write_at(journal_path(path), kJournalStepOffset, {&byte, 1});
}

// Bytes among which no two blocks are equal.
inline Bytes noise(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  for (auto& byte : bytes) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<std::byte>(seed >> 56U);
  }
  return bytes;
}

// The exit code of `work`, which another process does: it can die without any clean-up, as if it were killed.
template <class Work>
int in_child(Work work) {
  const auto child = ::fork();
  if (child == 0) {
    ::_exit(work());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

inline constexpr int kKilled = 9;

inline AfterStep die_in_step(std::size_t number) {
  return [number, count = std::size_t{0}](std::string_view) mutable {
    if (count++ == number) {
      ::_exit(kKilled);
    }
  };
}

// What a graft does to a file, without GGUF: another header, and bytes behind the end. Or what undoes that.
struct Change {
  Bytes before;
  Bytes after;
  InPlaceChange in_place;

  [[nodiscard]] std::uint64_t inserted() const { return in_place.kept.offset - in_place.kept.source_offset; }
  [[nodiscard]] std::uint64_t kept_end() const { return in_place.kept.offset + in_place.kept.length; }
};

// Behind the kept bytes stand 100 zeros, noise, and so many zeros that they are written in several pieces.
inline Change make_change(std::uint64_t source_offset, std::uint64_t kept_length, std::uint64_t inserted,
                          std::uint64_t appended = 20'000, std::uint64_t zeros = 150'000) {
  Change change;
  change.before = noise(static_cast<std::size_t>(source_offset + kept_length), 1);
  change.after = noise(static_cast<std::size_t>(source_offset + inserted), 2);
  change.after.insert(change.after.end(), change.before.begin() + static_cast<std::ptrdiff_t>(source_offset),
                      change.before.end());
  const auto tail = noise(static_cast<std::size_t>(appended), 3);
  change.after.resize(change.after.size() + 100);
  change.after.insert(change.after.end(), tail.begin(), tail.end());
  change.after.resize(change.after.size() + static_cast<std::size_t>(zeros));
  change.in_place = {{source_offset, source_offset + inserted, kept_length}, change.after.size()};
  return change;
}

inline Status write_change(StagedFile& staged, const ReadableFile& file, const Change& change) {
  const auto& kept = change.in_place.kept;
  const auto header = part_of(change.after, 0, kept.offset);
  MTPGRAFT_CHECK(staged.write_at(0, header.first(header.size() / 2)));
  MTPGRAFT_CHECK(staged.write_at(header.size() / 2, header.subspan(header.size() / 2)));
  MTPGRAFT_CHECK(staged.copy_from(file, kept, {}, keep_going));
  if (change.kept_end() == change.after.size()) {
    return ok_status();
  }
  const auto tail = change.kept_end() + 100;
  MTPGRAFT_CHECK(staged.write_at(tail, part_of(change.after, tail, 5'000)));
  MTPGRAFT_CHECK(staged.write_at(tail + 5'000, part_of(change.after, tail + 5'000, 15'000)));
  return ok_status();
}

inline Status apply_change(const std::string& path, const Change& change, AfterStep after_step = {}) {
  MTPGRAFT_TRY(const auto file, open_with_lease(path));
  const auto staged = stage_change(*file, change.in_place, std::move(after_step));
  MTPGRAFT_CHECK(write_change(*staged, *file, change));
  MTPGRAFT_CHECK(staged->commit(Overwrite::kYes, Durability::kSync));
  return ok_status();
}

inline std::vector<Change> make_changes() {
  std::vector<Change> changes;
  changes.push_back(make_change(5'000, 200'000, kBlock));
  changes.push_back(make_change(3 * kBlock, 30 * kBlock, 4 * kBlock, 20'000, 480 + 2 * kBlock));  // ends with a block
  changes.push_back(make_change(5'000, 100'000, 0));                 // the new header is as long as the old one
  changes.push_back(make_change(100, 20'000, 300 * kBlock));         // a header that is written in parts
  changes.push_back(make_change(0, 50'000, 2 * kBlock, 20'000, 1));  // there was no header
  return changes;
}

// Works on one file in a folder of its own.
class InPlaceTest : public testing::Test {
 protected:
  explicit InPlaceTest(const std::filesystem::path& parent = std::filesystem::temp_directory_path())
      : folder_(parent) {}

  // The file, anew and without a journal.
  std::string put(const Bytes& bytes) {
    auto path = folder_.path("file");
    std::filesystem::remove(journal_path(path));
    write_bytes(path, bytes);
    return path;
  }

  static void expect_recovery(const std::string& path, Recovery expected, const Bytes& content) {
    const auto recovery = recover_in_place(path);
    ASSERT_THAT(recovery, IsOk());
    EXPECT_EQ(recovery.value(), expected);
    EXPECT_FALSE(has_journal(path).value());
    EXPECT_TRUE(read_bytes(path) == content);
  }

  // That check_change() refuses it, and leaves everything as it was.
  void expect_no_change(const std::string& path, const InPlaceChange& change, const std::string& reason) {
    const auto before = read_bytes(path);
    std::uint64_t stored = 0;
    {
      const auto file = open_with_lease(path);
      ASSERT_THAT(file, IsOk());
      stored = file.value()->stored_bytes();
      EXPECT_THAT(check_change(*file.value(), change), FailsWith(ErrorCode::kRefused, reason));
    }
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(static_cast<std::uint64_t>(status.st_blocks) * 512, stored);
    EXPECT_TRUE(read_bytes(path) == before);
    EXPECT_EQ(file_count(), 1U);
  }

  [[nodiscard]] std::size_t file_count() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_.root()), {}));
  }

  TempDir folder_;
};

// The same where a file's data can be shifted.
class ShiftTest : public InPlaceTest {
 protected:
  void SetUp() override {
    const Change change = make_change(5'000, 20'000, kBlock);
    const auto path = put(change.before);
    const auto file = open_with_lease(path);
    const auto status = file.ok() ? check_change(*file.value(), change.in_place) : Status(file.error());
    if (!status.ok()) {
      const auto reason = folder_.root() + ": " + status.error().message + "; set TMPDIR to a folder on ext4 or XFS";
      const auto* ci = std::getenv("CI");
      if (ci != nullptr && std::string_view(ci) == "true") {
        GTEST_FAIL() << reason;
      }
      GTEST_SKIP() << "SHIFTING IN PLACE IS NOT TESTED. " << reason;
    }
    std::filesystem::remove(path);
  }
};

}  // namespace mtpgraft
