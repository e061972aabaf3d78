#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "matchers.h"
#include "models.h"
#include "mtpgraft/file.h"
#include "temp_dir.h"

namespace mtpgraft {

void PrintTo(CopyMethod method, std::ostream* stream) {
  *stream << (method == CopyMethod::kAuto ? "auto" : "buffered");
}

namespace {

Bytes bytes_of(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

void write_file(const std::string& path, std::string_view text) { std::ofstream(path) << text; }

class FileSystemTest : public testing::TestWithParam<CopyMethod> {
 protected:
  std::unique_ptr<ReadableFile> open(const std::string& name) {
    auto file = files_->open(folder_.path(name));
    EXPECT_THAT(file, IsOk());
    return std::move(file).value();
  }

  std::unique_ptr<StagedFile> stage(const std::string& name, std::uint64_t size) {
    auto file = files_->stage(folder_.path(name), size);
    EXPECT_THAT(file, IsOk());
    return std::move(file).value();
  }

  Status check_output(const std::string& name, const ReadableFile& input, Overwrite overwrite) {
    const std::array<const ReadableFile*, 1> inputs{&input};
    return files_->check_output(name, inputs, overwrite);
  }

  TempDir folder_;
  std::unique_ptr<FileSystem> files_ = make_file_system();
};

INSTANTIATE_TEST_SUITE_P(CopyMethods, FileSystemTest, testing::Values(CopyMethod::kAuto, CopyMethod::kBuffered),
                         [](const auto& method) { return method.param == CopyMethod::kAuto ? "Auto" : "Buffered"; });

TEST_P(FileSystemTest, ReadsExactlyWhatIsAsked) {
  write_file(folder_.path("file"), "0123456789");
  const auto file = open("file");
  EXPECT_EQ(file->size(), 10U);
  EXPECT_EQ(file->path(), folder_.path("file"));
  Bytes out(4);
  ASSERT_THAT(file->read_at(3, out), IsOk());
  EXPECT_EQ(out, bytes_of("3456"));
  EXPECT_THAT(file->check_unchanged(), IsOk());
}

TEST_P(FileSystemTest, ReadingPastTheEndFails) {
  write_file(folder_.path("file"), "0123456789");
  const auto file = open("file");
  Bytes out(4);
  const auto status = file->read_at(7, out);
  EXPECT_THAT(status, FailsWith(ErrorCode::kIo, ""));
  EXPECT_EQ(status.error().offset, 10U);
  EXPECT_THAT(file->read_at(1000, out), FailsWith(ErrorCode::kIo, ""));
  EXPECT_THAT(file->read_at(UINT64_MAX - 2, out), FailsWith(ErrorCode::kIo, ""));
}

TEST_P(FileSystemTest, NoticesThatAFileChanged) {
  write_file(folder_.path("file"), "0123456789");
  const auto file = open("file");
  write_file(folder_.path("file"), "01234");
  EXPECT_THAT(file->check_unchanged(), FailsWith(ErrorCode::kIo, "changed"));
}

TEST_P(FileSystemTest, OpensOnlyRegularFiles) {
  ASSERT_EQ(::mkfifo(folder_.path("pipe").c_str(), 0600), 0);
  const auto pipe = files_->open(folder_.path("pipe"));
  EXPECT_THAT(pipe, FailsWith(ErrorCode::kIo, "not a regular file"));
  EXPECT_THAT(files_->open(folder_.root()), FailsWith(ErrorCode::kIo, "is a directory"));
  const auto missing = files_->open(folder_.path("missing"));
  EXPECT_THAT(missing, FailsWith(ErrorCode::kIo, "No such file"));
  EXPECT_EQ(missing.error().path, folder_.path("missing"));
}

TEST_P(FileSystemTest, AnOutputExistsOnlyOnceItIsCommitted) {
  {
    const auto staged = stage("out", 6);
    ASSERT_THAT(staged->write_at(2, bytes_of("ab")), IsOk());
    EXPECT_FALSE(std::filesystem::exists(folder_.path("out")));
    ASSERT_THAT(staged->commit(Overwrite::kNo, Durability::kSync), IsOk());
    EXPECT_EQ(read_bytes(folder_.path("out")), bytes_of(std::string_view("\0\0ab\0\0", 6)));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.root()), {}), 1);
}

TEST_P(FileSystemTest, AnOutputThatIsNotCommittedLeavesNothing) {
  ASSERT_THAT(stage("out", 1 << 20)->write_at(0, bytes_of("ab")), IsOk());
  EXPECT_TRUE(folder_.is_empty());
}

TEST_P(FileSystemTest, CommitRefusesATakenName) {
  write_file(folder_.path("out"), "precious");
  {
    const auto staged = stage("out", 3);
    EXPECT_THAT(staged->commit(Overwrite::kNo, Durability::kNoSync), FailsWith(ErrorCode::kRefused, "exists"));
  }
  EXPECT_EQ(read_bytes(folder_.path("out")), bytes_of("precious"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.root()), {}), 1);
}

TEST_P(FileSystemTest, CommitReplacesWhenToldTo) {
  write_file(folder_.path("out"), "old");
  const auto held_open = open("out");
  {
    const auto staged = stage("out", 3);
    ASSERT_THAT(staged->write_at(0, bytes_of("new")), IsOk());
    ASSERT_THAT(staged->commit(Overwrite::kYes, Durability::kSync), IsOk());
  }
  EXPECT_EQ(read_bytes(folder_.path("out")), bytes_of("new"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.root()), {}), 1);
  // The name changed hands; the old file was not written to.
  Bytes old(3);
  ASSERT_THAT(held_open->read_at(0, old), IsOk());
  EXPECT_EQ(old, bytes_of("old"));
}

TEST_P(FileSystemTest, HonoursTheUmask) {
  const auto before = ::umask(027);
  ASSERT_THAT(stage("out", 1)->commit(Overwrite::kNo, Durability::kNoSync), IsOk());
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat(folder_.path("out").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
}

TEST_P(FileSystemTest, StagingInAMissingFolderFails) {
  EXPECT_THAT(files_->stage(folder_.path("missing/out"), 1), FailsWith(ErrorCode::kIo, "No such file"));
}

TEST_P(FileSystemTest, RefusesAnInputAsOutputHoweverItIsSpelled) {
  write_file(folder_.path("input"), "x");
  std::filesystem::create_hard_link(folder_.path("input"), folder_.path("hard"));
  std::filesystem::create_symlink("input", folder_.path("soft"));
  const auto input = open("input");
  const auto folder_name = std::filesystem::path(folder_.root()).filename().string();
  for (const std::string& name :
       std::vector<std::string>{"input", "hard", "soft", "./input", "../" + folder_name + "/input"}) {
    for (const auto overwrite : {Overwrite::kNo, Overwrite::kYes}) {
      const auto status = check_output(folder_.path(name), *input, overwrite);
      EXPECT_THAT(status, FailsWith(ErrorCode::kRefused, "is the input"));
    }
  }
  EXPECT_EQ(read_bytes(folder_.path("input")), bytes_of("x"));
}

TEST_P(FileSystemTest, RefusesOutputsThatExist) {
  write_file(folder_.path("input"), "x");
  write_file(folder_.path("old"), "x");
  const auto input = open("input");
  EXPECT_THAT(check_output(folder_.path("new"), *input, Overwrite::kNo), IsOk());
  EXPECT_THAT(check_output(folder_.path("old"), *input, Overwrite::kNo), FailsWith(ErrorCode::kRefused, "exists"));
  EXPECT_THAT(check_output(folder_.path("old"), *input, Overwrite::kYes), IsOk());
  EXPECT_THAT(check_output(folder_.root(), *input, Overwrite::kYes), FailsWith(ErrorCode::kRefused, "directory"));
  EXPECT_THAT(check_output("/dev/null", *input, Overwrite::kYes), FailsWith(ErrorCode::kRefused, "regular"));
}

// commit() would refuse the name, but only after a copy that takes minutes.
TEST_P(FileSystemTest, RefusesADanglingLinkAsOutput) {
  write_file(folder_.path("input"), "x");
  const auto input = open("input");
  std::filesystem::create_symlink("nowhere", folder_.path("dangling"));
  EXPECT_THAT(check_output(folder_.path("dangling"), *input, Overwrite::kNo), FailsWith(ErrorCode::kRefused, "exists"));
}

std::uint64_t stored_bytes(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

// 64 MiB with three islands of data; the last one is the end of the file, or a hole is.
void write_sparse(const std::string& path, bool ends_with_hole) {
  write_file(path, "start");
  std::filesystem::resize_file(path, 64 << 20);
  std::fstream stream(path, std::ios::in | std::ios::out);
  stream.seekp(20 << 20) << "middle";
  stream.seekp(((ends_with_hole ? 40 : 64) << 20) - 3) << "end";
}

TEST_P(FileSystemTest, HolesStayHoles) {
  for (const bool ends_with_hole : {false, true}) {
    write_sparse(folder_.path("sparse"), ends_with_hole);
    if (stored_bytes(folder_.path("sparse")) > (1 << 20)) {
      GTEST_SKIP() << "this file system has no holes";
    }
    const auto source = open("sparse");
    EXPECT_LT(source->stored_bytes(), 1U << 20);
    std::uint64_t told = 0;
    const auto count = [&](std::uint64_t bytes) {
      told += bytes;
      return true;
    };
    const auto staged = stage("out", source->size() + 100);
    ASSERT_THAT(staged->copy_from(*source, {0, 100, source->size()}, {GetParam(), {}}, count), IsOk());
    ASSERT_THAT(staged->commit(Overwrite::kYes, Durability::kNoSync), IsOk());
    EXPECT_EQ(told, source->size());
    EXPECT_LT(stored_bytes(folder_.path("out")), 1U << 20);
    auto expected = read_bytes(folder_.path("sparse"));
    expected.insert(expected.begin(), 100, std::byte{0});
    EXPECT_TRUE(read_bytes(folder_.path("out")) == expected);
  }
}

TEST_P(FileSystemTest, CopiesAnyRange) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) {
    text.push_back(static_cast<char>('a' + i % 23));
  }
  write_file(folder_.path("source"), text);
  const auto source = open("source");
  for (const std::uint64_t from : {0U, 1U, 4095U, 4096U, 50'000U}) {
    for (const std::uint64_t length : {0U, 1U, 4096U, 49'999U}) {
      const auto staged = stage("out", length + 7);
      ASSERT_THAT(staged->copy_from(*source, {from, 5, length}, {GetParam(), {}}, keep_going), IsOk());
      ASSERT_THAT(staged->commit(Overwrite::kYes, Durability::kNoSync), IsOk());
      const auto written = read_bytes(folder_.path("out"));
      ASSERT_EQ(written.size(), length + 7);
      EXPECT_TRUE(std::equal(written.begin() + 5, written.end() - 2, bytes_of(text.substr(from, length)).begin()));
    }
  }
}

// Zeros in the place of data that are gone would be a silent loss.
TEST_P(FileSystemTest, CopyingPastTheEndOfTheSourceFails) {
  write_file(folder_.path("source"), "0123456789");
  const auto source = open("source");
  EXPECT_THAT(stage("out", 40)->copy_from(*source, {5, 0, 20}, {GetParam(), {}}, keep_going),
              FailsWith(ErrorCode::kIo, ""));
  EXPECT_THAT(stage("out", 40)->copy_from(*source, {20, 0, 20}, {GetParam(), {}}, keep_going),
              FailsWith(ErrorCode::kIo, ""));
}

TEST_P(FileSystemTest, AnOutputHasNoMorePermissionsThanWasAskedFor) {
  const auto umask_before = ::umask(022);
  const auto mode_of = [&](Permissions permissions) {
    const auto staged = files_->stage_with(folder_.path("out"), 1, permissions);
    EXPECT_THAT(staged, IsOk());
    EXPECT_THAT(staged.value()->commit(Overwrite::kYes, Durability::kNoSync), IsOk());
    return open("out")->permissions();
  };
  EXPECT_EQ(mode_of(0666), 0644U);
  EXPECT_EQ(mode_of(0640), 0640U);
  EXPECT_EQ(mode_of(0444), 0644U) << "the owner may write";
  ::umask(0277);
  EXPECT_EQ(mode_of(0644), 0600U) << "the owner may write";
  ::umask(umask_before);
}

TEST_P(FileSystemTest, TellsFreeSpaceOfTheFolder) {
  const auto free = files_->free_bytes(folder_.path("out"));
  ASSERT_THAT(free, IsOk());
  EXPECT_GT(free.value(), 0U);
  EXPECT_THAT(files_->free_bytes(folder_.path("missing/out")), FailsWith(ErrorCode::kIo, "does not exist"));
}

}  // namespace
}  // namespace mtpgraft
