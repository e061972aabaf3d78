#include "io/journal_linux.h"

#include <algorithm>
#include <span>
#include <utility>

#include "matchers.h"
#include "models.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

Bytes write_journal(const Journal& journal) {
  MemoryFileSystem files;
  const auto staged = files.stage("j", journal_size(journal));
  EXPECT_THAT(mtpgraft::write_journal(journal, *staged.value()), IsOk());
  EXPECT_THAT(staged.value()->commit(Overwrite::kNo, Durability::kSync), IsOk());
  return *files.find("j");
}

Result<Journal> parse_journal(const std::string& path, std::span<const std::byte> bytes) {
  return read_journal(MemoryFile(path, Bytes(bytes.begin(), bytes.end())));
}

Journal make_journal(std::size_t header_bytes = 300) {
  Journal journal;
  journal.step = JournalStep::kInsert;
  journal.inode = UINT64_MAX;
  journal.old_size = 6'720'000;
  journal.new_size = 8'700'000'000;
  journal.inserted_bytes = 8'192;
  for (std::size_t i = 0; i < header_bytes; ++i) {
    journal.old_header.push_back(static_cast<std::byte>(i * 7));
    journal.new_header.push_back(static_cast<std::byte>(i * 5));
    journal.new_header.push_back(static_cast<std::byte>(i * 3));
  }
  return journal;
}

void expect_equal(const Journal& a, const Journal& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.inode, b.inode);
  EXPECT_EQ(a.old_size, b.old_size);
  EXPECT_EQ(a.new_size, b.new_size);
  EXPECT_EQ(a.inserted_bytes, b.inserted_bytes);
  EXPECT_TRUE(a.new_header == b.new_header);
  EXPECT_TRUE(a.old_header == b.old_header);
}

TEST(Journal, IsReadAsItWasWritten) {
  for (const std::size_t header_bytes : {std::size_t{0}, std::size_t{1}, std::size_t{4'096}, std::size_t{3} << 20}) {
    for (const auto step : {JournalStep::kAppend, JournalStep::kInsert, JournalStep::kHeader}) {
      auto journal = make_journal(header_bytes);
      journal.step = step;
      const auto parsed = parse_journal("j", write_journal(journal));
      ASSERT_THAT(parsed, IsOk());
      expect_equal(parsed.value(), journal);
    }
  }
  const auto zeros = parse_journal("j", write_journal(Journal{}));
  ASSERT_THAT(zeros, IsOk());
  expect_equal(zeros.value(), Journal{});
}

// Who finds one can tell what it is.
TEST(Journal, BeginsWithText) {
  const auto bytes = write_journal(make_journal());
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), 4'096);
  EXPECT_TRUE(text.starts_with("mtpgraft journal 1, step 2\ninode 18446744073709551615\nold_size 6720000\n")) << text;
  EXPECT_TRUE(text.ends_with("\n"));
  EXPECT_EQ(text.find('\0'), std::string_view::npos);
}

TEST(Journal, ChangesItsStepWithOneByte) {
  auto journal = make_journal();
  auto bytes = write_journal(journal);
  for (const auto step : {JournalStep::kAppend, JournalStep::kHeader, JournalStep::kInsert}) {
    bytes[kJournalStepOffset] = static_cast<std::byte>(step);
    journal.step = step;
    EXPECT_TRUE(bytes == write_journal(journal));
    const auto parsed = parse_journal("j", bytes);
    ASSERT_THAT(parsed, IsOk());
    EXPECT_EQ(parsed.value().step, step);
  }
}

TEST(Journal, IsRefusedWithAnyByteChanged) {
  const auto bytes = write_journal(make_journal());
  auto changed = bytes;
  std::size_t accepted = 0;
  constexpr std::size_t kLines = 250;  // what follows is padding and the old header
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned flip = 1; flip < 256; flip += i < kLines ? 1 : 100) {
      changed[i] = bytes[i] ^ static_cast<std::byte>(flip);
      const auto parsed = parse_journal("j", changed);
      if (parsed.ok()) {
        ++accepted;
        EXPECT_EQ(i, kJournalStepOffset);
        EXPECT_TRUE(changed[i] == std::byte{'1'} || changed[i] == std::byte{'3'});
      } else {
        ASSERT_EQ(parsed.error().code, ErrorCode::kMalformed);
      }
    }
    changed[i] = bytes[i];
  }
  EXPECT_EQ(accepted, 2U);
}

TEST(Journal, IsRefusedIfTruncatedOrLonger) {
  auto bytes = write_journal(make_journal());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_THAT(parse_journal("j", std::span(bytes).first(size)), FailsWith(ErrorCode::kMalformed, "damaged")) << size;
  }
  bytes.push_back(std::byte{0});
  EXPECT_THAT(parse_journal("j", bytes), FailsWith(ErrorCode::kMalformed, "damaged"));
}

TEST(Journal, IsRefusedIfItIsSomethingElse) {
  for (const auto fill : {std::byte{0}, std::byte{'\n'}, std::byte{'9'}, std::byte{0xFF}}) {
    EXPECT_THAT(parse_journal("j", Bytes(5'000, fill)), FailsWith(ErrorCode::kMalformed, "damaged"));
  }
}

// A number that fits, spelled otherwise or too large, is no journal that was written.
TEST(Journal, IsRefusedWithNumbersSpelledOtherwise) {
  const auto bytes = write_journal(make_journal());
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"old_size 6720000\n", "old_size 06720000\n"},
                                                        {"old_size 6720000\n", "old_size +6720000\n"},
                                                        {"inode 18446744073709551615", "inode 18446744073709551616"},
                                                        {"inserted_bytes 8192\n", "inserted_bytes 8192 \n"},
                                                        {"inserted_bytes 8192\n", ""},
                                                        {"journal 1,", "journal 2,"}}) {
    auto changed = text;
    changed.replace(changed.find(from), from.size(), to);
    changed.resize(text.size(), '\n');
    EXPECT_THAT(parse_journal("j", std::as_bytes(std::span(changed))), FailsWith(ErrorCode::kMalformed, "damaged"))
        << to;
  }
}

TEST(JournalPath, StandsBesideTheFile) {
  const TempDir folder;
  EXPECT_EQ(journal_path(folder.path("missing")), folder.path("missing") + ".mtpgraft-journal");
  std::ofstream(folder.path("file")) << "x";
  const auto name = std::filesystem::canonical(folder.path("file")).string() + ".mtpgraft-journal";
  EXPECT_EQ(journal_path(folder.path("file")), name);
  EXPECT_FALSE(has_journal(folder.path("file")).value());
  std::ofstream(name) << "x";
  EXPECT_TRUE(has_journal(folder.path("file")).value());
}

TEST(JournalPath, FollowsSymbolicLinks) {
  const TempDir folder;
  std::filesystem::create_directory(folder.path("models"));
  std::ofstream(folder.path("models/file")) << "x";
  std::filesystem::create_symlink("models/file", folder.path("link"));
  std::filesystem::create_symlink("link", folder.path("link to link"));
  std::filesystem::create_symlink("models", folder.path("folder"));
  const auto name = journal_path(folder.path("models/file"));
  EXPECT_TRUE(name.ends_with("/models/file.mtpgraft-journal"));
  for (const auto* other : {"link", "link to link", "folder/file", "models/../link"}) {
    EXPECT_EQ(journal_path(folder.path(other)), name) << other;
  }
  std::ofstream(name) << "x";
  EXPECT_TRUE(has_journal(folder.path("link to link")).value());
}

}  // namespace
}  // namespace mtpgraft
