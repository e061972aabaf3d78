#include "io/journal_linux.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "io/io_posix.h"
#include "io/staged_file_posix.h"
#include "mtpgraft/digest.h"
#include "util/hash.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::size_t kTextBytes = 4096;

// The first block. Its digest leaves out the first line, which changes with the step.
std::string format_journal(const Journal& journal) {
  const auto lines =
      fmt::format("inode {}\nold_size {}\nnew_size {}\ninserted_bytes {}\nold_header_bytes {}\nnew_header_bytes {}\n",
                  journal.inode, journal.old_size, journal.new_size, journal.inserted_bytes, journal.old_header.size(),
                  journal.new_header.size());
  Hasher hasher;
  hasher.update(std::as_bytes(std::span(lines)));
  hasher.update(journal.old_header);
  hasher.update(journal.new_header);
  auto text = fmt::format("{}{}\n{}xxh128 {}\n", kJournalMagic, static_cast<char>(journal.step), lines,
                          to_hex(hasher.finish()));
  text.resize(kTextBytes, '\n');
  return text;
}

Error foreign_journal(const std::string& path, std::string message, std::string hint) {
  return {.code = ErrorCode::kRefused, .message = std::move(message), .path = path, .hint = std::move(hint)};
}

// Lets those read and write it who may read and write the target, and nobody else.
Status adopt_access(int fd, const std::string& path, const struct stat& target) {
  auto mode = target.st_mode & 0777;
  if (::fchown(fd, target.st_uid, target.st_gid) != 0) {
    if (!is_unsupported(errno)) {
      return io_error(path, "give it the file's owner");
    }
    mode &= 0700;
  }
  if (::fchmod(fd, mode) != 0 && !is_unsupported(errno)) {
    return io_error(path, "give it the file's permissions");
  }
  return ok_status();
}

}  // namespace

std::uint64_t journal_size(const Journal& journal) {
  return kTextBytes + journal.old_header.size() + journal.new_header.size();
}

Status write_journal(const Journal& journal, StagedFile& file) {
  const auto text = format_journal(journal);
  MTPGRAFT_CHECK(file.write_at(0, std::as_bytes(std::span(text))));
  MTPGRAFT_CHECK(file.write_at(kTextBytes, journal.old_header));
  return file.write_at(kTextBytes + journal.old_header.size(), journal.new_header);
}

Result<Journal> read_journal(const ReadableFile& file) {
  const Error damaged{.code = ErrorCode::kMalformed,
                      .message = "the journal of an in-place change is damaged",
                      .path = file.path(),
                      .hint =
                          "the file it belongs to cannot be mended with it; take the file from its source again, then "
                          "delete the journal"};
  if (file.size() < kTextBytes) {
    return damaged;
  }
  std::string text(kTextBytes, '\0');
  MTPGRAFT_CHECK(file.read_at(0, std::as_writable_bytes(std::span(text))));
  Journal journal;
  journal.step = static_cast<JournalStep>(text[kJournalStepOffset]);
  std::uint64_t old_header_bytes = 0;
  for (const auto& [name, value] : {std::pair<std::string_view, std::uint64_t*>{"\ninode ", &journal.inode},
                                    {"\nold_size ", &journal.old_size},
                                    {"\nnew_size ", &journal.new_size},
                                    {"\ninserted_bytes ", &journal.inserted_bytes},
                                    {"\nold_header_bytes ", &old_header_bytes}}) {
    const auto at = text.find(name);
    if (at == std::string::npos) {
      return damaged;
    }
    std::from_chars(text.data() + at + name.size(), text.data() + text.size(), *value);
  }
  const auto header_bytes = file.size() - kTextBytes;
  if (old_header_bytes > header_bytes) {
    return damaged;
  }
  journal.old_header.resize(old_header_bytes);
  journal.new_header.resize(header_bytes - old_header_bytes);
  MTPGRAFT_CHECK(file.read_at(kTextBytes, journal.old_header));
  MTPGRAFT_CHECK(file.read_at(kTextBytes + old_header_bytes, journal.new_header));
  const bool is_step = journal.step >= JournalStep::kAppend && journal.step <= JournalStep::kHeader;
  // Written again it must be the same text, its digest included.
  return is_step && format_journal(journal) == text ? Result<Journal>(std::move(journal)) : damaged;
}

Status JournalFile::open_directory(const std::string& target_path) {
  path_ = journal_path(target_path);
  name_ = as_path(path_).filename().string();
  directory_ =
      FileDescriptor(retry([&] { return ::open(parent_of(path_).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC); }));
  return directory_.valid() ? ok_status() : Status(io_error(path_, "open the directory"));
}

Result<JournalFile> JournalFile::open(const PosixReadableFile& target) {
  JournalFile journal;
  MTPGRAFT_CHECK(journal.open_directory(target.path()));
  const auto& path = journal.path_;
  struct stat named {};
  if (::fstatat(journal.directory_.get(), journal.name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) {
    return io_error(path, "open");
  }
  if (!S_ISREG(named.st_mode)) {
    constexpr auto* kHint = "no change in place has made it; delete it";
    if (S_ISLNK(named.st_mode)) {
      auto error = io_error(path, "open", ELOOP);
      error.hint = kHint;
      return error;
    }
    return foreign_journal(path, "the journal is not a regular file", kHint);
  }
  FileDescriptor fd(retry([&] {
    return ::openat(journal.directory_.get(), journal.name_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  }));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    return io_error(path, "open");
  }
  if (!is_same_file(named, status)) {
    return other_program(ErrorCode::kRefused, "another file has taken the journal's name", path,
                         "another program changes files there; try again");
  }
  // In a directory that others may write to, as /tmp, they could plant one, and with it any bytes. Only root and the
  // file's owner get the lease that a change in place needs.
  if (status.st_uid != target.status().st_uid && status.st_uid != 0) {
    return foreign_journal(path, "the journal belongs to another user than the file", "if it is not yours, delete it");
  }
  journal.file_ = std::make_unique<PosixReadableFile>(path, std::move(fd), status);
  MTPGRAFT_TRY(journal.content_, read_journal(*journal.file_));
  if (journal.content_.inode != target.status().st_ino) {
    return foreign_journal(target.path(), "its journal belongs to another file of this name",
                           "if this one is whole, delete " + shell_quoted(path));
  }
  return journal;
}

Status JournalFile::create(const PosixReadableFile& target) {
  MTPGRAFT_CHECK(open_directory(target.path()));
  auto created = PosixStagedFile::create(path_, journal_size(content_), target.permissions());
  if (!created.ok()) {
    created.error().remedy = Remedy::kWriteNewFile;
  }
  MTPGRAFT_TRY(const auto staged, std::move(created));
  MTPGRAFT_CHECK(adopt_access(staged->descriptor(), path_, target.status()));
  MTPGRAFT_CHECK(write_journal(content_, *staged));
  // Committing closes the other one.
  FileDescriptor fd(::fcntl(staged->descriptor(), F_DUPFD_CLOEXEC, 0));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    return io_error(path_, "create");
  }
  MTPGRAFT_CHECK(staged->commit(Overwrite::kNo, Durability::kSync));
  file_ = std::make_unique<PosixReadableFile>(path_, std::move(fd), status);
  return ok_status();
}

Status JournalFile::enter(JournalStep step) {
  const auto byte = static_cast<std::byte>(step);
  MTPGRAFT_CHECK(write_fully(file_->descriptor(), path_, kJournalStepOffset, {&byte, 1}));
  MTPGRAFT_CHECK(sync_file(file_->descriptor(), path_));
  content_.step = step;
  return ok_status();
}

Status JournalFile::remove() {
  struct stat named {};
  if (::fstatat(directory_.get(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) {
    return io_error(path_, "delete");
  }
  if (!is_same_file(named, file_->status())) {
    return foreign_journal(path_, "another file has taken the journal's name",
                           "the changed file itself is whole; delete this one if it is not needed");
  }
  if (::unlinkat(directory_.get(), name_.c_str(), 0) != 0) {
    return io_error(path_, "delete");
  }
  return sync_directory_of(path_);
}

}  // namespace mtpgraft
