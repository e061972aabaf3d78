#include "io/in_place.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <thread>

#include "io/extents.h"
#include "io/journal.h"
#include "io/posix_error.h"
#include "io/posix_staged_file.h"
#include "io/stream.h"
#include "util/hash.h"
#include "util/parallel.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

Error refusal(const std::string& path, std::string message, std::string hint) {
  return {ErrorCode::kRefused, std::move(message), path, {}, std::move(hint)};
}

constexpr const char* kUseCopy = "graft without --in-place, which writes a new file";

Status change_blocks(int fd, const std::string& path, int mode, std::string_view action, std::uint64_t offset,
                     std::uint64_t length) {
  if (retry([&] { return ::fallocate(fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length)); }) != 0) {
    return io_error(path, action);
  }
  return ok_status();
}

Status sync(int fd, const std::string& path) {
  return ::fsync(fd) == 0 ? ok_status() : Status(io_error(path, "write to storage"));
}

Status truncate(int fd, const std::string& path, std::uint64_t size) {
  return ::ftruncate(fd, static_cast<off_t>(size)) == 0 ? ok_status() : Status(io_error(path, "cut the file"));
}

std::uint64_t size_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::uint64_t stored_bytes_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0;
}

// One byte, so that there is no state between the steps.
Status set_step(const std::string& path, JournalStep step) {
  const auto journal = journal_path(path);
  const FileDescriptor fd(::open(journal.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return io_error(journal, "open");
  }
  const auto byte = static_cast<std::byte>(step);
  MTPGRAFT_CHECK(write_fully(fd.get(), journal, kJournalStepOffset, {&byte, 1}));
  return sync(fd.get(), journal);
}

Status delete_journal(const std::string& path) {
  const auto journal = journal_path(path);
  if (::unlink(journal.c_str()) != 0) {
    return io_error(journal, "delete");
  }
  return sync_directory_of(journal);
}

Error unknown_state(const std::string& path) {
  return {ErrorCode::kMalformed,
          "the file is in no state that an interrupted in-place graft leaves",
          path,
          {},
          "another program has changed it; take it from its source again, then delete its .mtpgraft-journal"};
}

// The gap that an insertion or a collapse leaves when it is interrupted, or when it is complete; empty if there is
// none. The file had no holes before, so the first is the gap.
Result<ByteRange> find_gap(int fd, const std::string& path, const Journal& journal) {
  const auto size = size_of(fd);
  const auto size_without_gap = journal.new_size - journal.inserted_bytes;
  if (size == size_without_gap || size == journal.old_size) {
    return ByteRange{size, 0};
  }
  if (size != journal.new_size) {
    return unknown_state(path);
  }
  const auto gap = static_cast<std::uint64_t>(::lseek(fd, 0, SEEK_HOLE));
  const auto after = find_data(fd, gap, size).offset;
  if (after == size && gap >= size_without_gap && gap - size_without_gap < kCloneBlockBytes) {
    // Nothing has moved. The hole begins only with the block behind the last byte.
    return ByteRange{size_without_gap, journal.inserted_bytes};
  }
  if (after - gap != journal.inserted_bytes) {
    return unknown_state(path);
  }
  return ByteRange{gap, journal.inserted_bytes};
}

// The file's first bytes, as they are without the gap.
Result<std::vector<std::byte>> read_around(const PosixReadableFile& file, const ByteRange& gap, std::uint64_t length) {
  std::vector<std::byte> bytes(length);
  const auto before = std::min(gap.offset, length);
  MTPGRAFT_CHECK(file.read_at(0, std::span(bytes).first(before)));
  MTPGRAFT_CHECK(file.read_at(before + gap.length, std::span(bytes).subspan(before)));
  return bytes;
}

Status remove_gap(int fd, const std::string& path, const ByteRange& gap) {
  if (gap.offset + gap.length == size_of(fd)) {
    return truncate(fd, path, gap.offset);
  }
  return change_blocks(fd, path, FALLOC_FL_COLLAPSE_RANGE, "take blocks out", gap.offset, gap.length);
}

Result<bool> has_new_header(const PosixReadableFile& file, const Journal& journal) {
  std::vector<std::byte> header(journal.new_header_bytes);
  MTPGRAFT_CHECK(file.read_at(0, header));
  return digest_of(header) == journal.new_header;
}

// Undoes the change step by step, from the last to the first; or finishes it if nothing is missing. Interrupted in
// turn, it goes on where it was.
Result<Recovery> end_change(const PosixReadableFile& file, Journal journal) {
  const auto fd = file.descriptor();
  const auto& path = file.path();
  if (journal.step == JournalStep::kHeader) {
    if (size_of(fd) != journal.new_size) {
      return unknown_state(path);
    }
    MTPGRAFT_TRY(const bool complete, has_new_header(file, journal));
    if (complete) {
      MTPGRAFT_CHECK(sync(fd, path));
      MTPGRAFT_CHECK(delete_journal(path));
      return Recovery::kCompleted;
    }
    MTPGRAFT_CHECK(write_fully(fd, path, journal.inserted_bytes, journal.old_header));
    if (journal.inserted_bytes > 0) {
      MTPGRAFT_CHECK(change_blocks(fd, path, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "clear blocks", 0,
                                   journal.inserted_bytes));
    }
    MTPGRAFT_CHECK(sync(fd, path));
    MTPGRAFT_CHECK(set_step(path, JournalStep::kInsert));
    journal.step = JournalStep::kInsert;
  }
  auto size = size_of(fd);
  ByteRange gap{size, 0};
  if (journal.step == JournalStep::kInsert) {
    MTPGRAFT_TRY(gap, find_gap(fd, path, journal));
    size -= gap.length;
  }
  if (size < journal.old_size || size > journal.new_size - journal.inserted_bytes) {
    return unknown_state(path);
  }
  MTPGRAFT_TRY(const auto header, read_around(file, gap, journal.old_header.size()));
  if (header != journal.old_header) {
    return unknown_state(path);
  }
  if (gap.length > 0) {
    MTPGRAFT_CHECK(remove_gap(fd, path, gap));
    MTPGRAFT_CHECK(sync(fd, path));
  }
  MTPGRAFT_CHECK(truncate(fd, path, journal.old_size));
  MTPGRAFT_CHECK(sync(fd, path));
  MTPGRAFT_CHECK(delete_journal(path));
  return Recovery::kRolledBack;
}

constexpr std::uint64_t kWindowBytes = std::uint64_t{16} << 20;

class InsertionFile final : public StagedFile {
 public:
  InsertionFile(const PosixReadableFile& file, const InPlaceChange& change,
                std::function<void(std::string_view)> after_step)
      : file_(file),
        change_(change),
        inserted_bytes_(change.kept.offset - change.kept.source_offset),
        stored_bytes_(stored_bytes_of(file.descriptor())),
        header_(change.kept.offset),
        end_(file.size()),
        started_(file.size()),
        after_step_(std::move(after_step)) {}
  InsertionFile(const InsertionFile&) = delete;
  InsertionFile& operator=(const InsertionFile&) = delete;

  ~InsertionFile() override {
    if (journal_) {
      // If this fails too, the journal stays, and the next command asks for `recover`.
      (void)end_change(file_, *journal_).ok();
    }
  }

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (offset < change_.kept.offset) {
      std::ranges::copy(bytes, header_.begin() + static_cast<std::ptrdiff_t>(offset));
      return ok_status();
    }
    MTPGRAFT_CHECK(begin());
    MTPGRAFT_CHECK(append_zeros_up_to(offset));
    return append(bytes);
  }

  Result<CopyCounts> copy_from(const ReadableFile& source, const CopyRange& range, const CopyOptions& options,
                               const Progress& progress) override {
    if (range.offset != change_.kept.offset) {
      return StagedFile::copy_from(source, range, options, progress);
    }
    MTPGRAFT_CHECK(advance(progress, range.length));
    CopyCounts counts;
    counts.kept = range.length;
    return counts;
  }

  Result<std::uint64_t> commit(Overwrite /*overwrite*/, Durability /*durability*/) override {
    const auto fd = file_.descriptor();
    const auto& path = file_.path();
    MTPGRAFT_CHECK(begin());
    MTPGRAFT_CHECK(append_zeros_up_to(change_.new_size));
    MTPGRAFT_CHECK(sync(fd, path));
    passed("synced the head");
    MTPGRAFT_CHECK(enter(JournalStep::kInsert));
    cache_droppers_.clear();  // waits for them
    if (inserted_bytes_ > 0) {
      MTPGRAFT_CHECK(change_blocks(fd, path, FALLOC_FL_INSERT_RANGE, "insert blocks", 0, inserted_bytes_));
      passed("inserted");
      MTPGRAFT_CHECK(sync(fd, path));
      passed("synced the insertion");
    }
    MTPGRAFT_CHECK(enter(JournalStep::kHeader));
    constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
    for (std::size_t done = 0; done < header_.size(); done += kPieceBytes) {
      const auto piece = std::span(header_).subspan(done, std::min(kPieceBytes, header_.size() - done));
      MTPGRAFT_CHECK(write_fully(fd, path, done, piece));
      passed("wrote a part of the header");
    }
    MTPGRAFT_CHECK(sync(fd, path));
    passed("synced the header");
    journal_.reset();
    const auto stored = stored_bytes_of(fd);
    MTPGRAFT_CHECK(delete_journal(path));
    passed("deleted the journal");
    return stored - std::min(stored, stored_bytes_);
  }

 private:
  // Where `offset` of the output stands before the insertion.
  [[nodiscard]] std::uint64_t before_insertion(std::uint64_t offset) const { return offset - inserted_bytes_; }

  void passed(std::string_view step) const {
    if (after_step_) {
      after_step_(step);
    }
  }

  // The header is complete here: what comes before the kept range is written before what comes after it.
  Status begin() {
    if (journal_) {
      return ok_status();
    }
    Journal journal;
    journal.inode = file_.status().st_ino;
    journal.old_size = file_.size();
    journal.new_size = change_.new_size;
    journal.inserted_bytes = inserted_bytes_;
    journal.new_header_bytes = header_.size();
    journal.new_header = digest_of(header_);
    journal.old_header.resize(change_.kept.source_offset);
    MTPGRAFT_CHECK(file_.read_at(0, journal.old_header));
    const auto bytes = write_journal(journal);
    MTPGRAFT_TRY(const auto staged, PosixStagedFile::create(journal_path(file_.path()), bytes.size()));
    MTPGRAFT_CHECK(staged->write_at(0, bytes));
    MTPGRAFT_CHECK(staged->commit(Overwrite::kNo, Durability::kSync));
    journal_ = std::move(journal);
    passed("wrote the journal");
    start_dropping_cache();
    return ok_status();
  }

  // The insertion drops the file from the page cache, on one core. Here all do it, while the head is written.
  void start_dropping_cache() {
    const auto part = file_.size() / worker_count() + 1;
    try {
      for (std::uint64_t offset = 0; offset < file_.size(); offset += part) {
        cache_droppers_.emplace_back([fd = file_.descriptor(), offset, part] {
          ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(part), POSIX_FADV_DONTNEED);
        });
      }
    } catch (const std::system_error&) {
      // No thread to be had: the insertion takes a moment longer.
    }
  }

  Status enter(JournalStep step) {
    MTPGRAFT_CHECK(set_step(file_.path(), step));
    journal_->step = step;
    passed("entered a step");
    return ok_status();
  }

  Status append(std::span<const std::byte> bytes) {
    MTPGRAFT_CHECK(write_fully(file_.descriptor(), file_.path(), end_, bytes));
    end_ += bytes.size();
    if (end_ - started_ >= kWindowBytes) {
      ::sync_file_range(file_.descriptor(), static_cast<off_t>(started_), static_cast<off_t>(end_ - started_),
                        SYNC_FILE_RANGE_WRITE);
      started_ = end_;
    }
    passed("appended");
    return ok_status();
  }

  // Zeros are written: a hole would be taken for the gap of the insertion.
  Status append_zeros_up_to(std::uint64_t offset) {
    static constexpr std::array<std::byte, 65536> kZeros{};
    while (end_ < before_insertion(offset)) {
      MTPGRAFT_CHECK(append(std::span(kZeros).first(
          static_cast<std::size_t>(std::min<std::uint64_t>(before_insertion(offset) - end_, kZeros.size())))));
    }
    return ok_status();
  }

  const PosixReadableFile& file_;
  const InPlaceChange change_;
  const std::uint64_t inserted_bytes_;
  const std::uint64_t stored_bytes_;
  std::vector<std::byte> header_;
  std::uint64_t end_;
  std::uint64_t started_;           // up to here the system has been told to write what was appended
  std::optional<Journal> journal_;  // while one is on disk
  std::function<void(std::string_view)> after_step_;
  std::vector<std::jthread> cache_droppers_;
};

}  // namespace

Result<std::unique_ptr<PosixReadableFile>> open_with_lease(const std::string& path) {
  const auto in_use = refusal(path, "another program has the file open",
                              "end that program first ('fuser' names it), or graft without --in-place");
  std::error_code error;
  const auto real_path = std::filesystem::canonical(path, error).string();
  if (error) {
    return io_error(path, "open", error.value());
  }
  // Should another program wait for our lease to end, O_NONBLOCK makes us the one who gives way.
  FileDescriptor fd(retry([&] { return ::open(real_path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK); }));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    return errno == EWOULDBLOCK || errno == ETXTBSY ? in_use : io_error(path, "open for writing");
  }
  if (!S_ISREG(status.st_mode)) {
    return refusal(path, "is not a regular file", kUseCopy);
  }
  if (::fcntl(fd.get(), F_SETLEASE, F_WRLCK) != 0) {
    return errno == EAGAIN
               ? in_use
               : refusal(path, "the system does not tell whether another program has the file open (no lease)",
                         kUseCopy);
  }
  // No signal when another program wants the file; check_unchanged() asks.
  ::fcntl(fd.get(), F_SETOWN, 0);
  return std::make_unique<PosixReadableFile>(real_path, std::move(fd), status, PosixReadableFile::Lease::kHeld);
}

Status check_insertion(const PosixReadableFile& file, const InPlaceChange& change) {
  const auto& kept = change.kept;
  const auto& path = file.path();
  struct statfs system {};
  if (::fstatfs(file.descriptor(), &system) != 0) {
    return io_error(path, "look at the file system");
  }
  if (system.f_type != EXT4_SUPER_MAGIC && system.f_type != XFS_SUPER_MAGIC) {
    return refusal(path, "its file system can neither share blocks between files nor insert them safely", kUseCopy);
  }
  if (kept.source_offset + kept.length != file.size()) {
    return refusal(path, "bytes at its end do not stay, and without block clones they could not be brought back",
                   kUseCopy);
  }
  if (kept.offset < kept.source_offset || (kept.offset - kept.source_offset) % kCloneBlockBytes != 0) {
    return refusal(path, "its data cannot be shifted by whole blocks", kUseCopy);
  }
  if (!is_stored_whole(file.descriptor(), file.size())) {
    return refusal(path,
                   "it is sparse: after a crash, its holes could not be told from the gap that the insertion leaves",
                   "fill the holes first (cp --sparse=never FILE NEW), or graft without --in-place");
  }
  // The same insertion into a file that nobody needs.
  const auto inserted_bytes = kept.offset - kept.source_offset;
  const FileDescriptor probe(::open(parent_of(path).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  const std::array<std::byte, kCloneBlockBytes> block{};
  if (!probe.valid() || !write_fully(probe.get(), path, 0, block).ok()) {
    return io_error(path, "create a file beside it");
  }
  if (inserted_bytes > 0 &&
      !change_blocks(probe.get(), path, FALLOC_FL_INSERT_RANGE, "insert blocks", 0, inserted_bytes).ok()) {
    return refusal(path, "its file system cannot insert blocks", kUseCopy);
  }
  return ok_status();
}

std::unique_ptr<StagedFile> stage_insertion(const PosixReadableFile& file, const InPlaceChange& change,
                                            std::function<void(std::string_view)> after_step) {
  return std::make_unique<InsertionFile>(file, change, std::move(after_step));
}

Result<Recovery> recover_in_place(const std::string& path) {
  if (!has_journal(path)) {
    return Recovery::kNothingToDo;
  }
  MTPGRAFT_TRY(const auto file, open_with_lease(path));
  const auto journal_name = journal_path(path);
  FileDescriptor fd(::open(journal_name.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    return io_error(journal_name, "open");
  }
  const PosixReadableFile journal_file(journal_name, std::move(fd), status, PosixReadableFile::Lease::kNone);
  std::vector<std::byte> bytes(static_cast<std::size_t>(journal_file.size()));
  MTPGRAFT_CHECK(journal_file.read_at(0, bytes));
  MTPGRAFT_TRY(auto journal, parse_journal(journal_name, bytes));
  if (journal.inode != file->status().st_ino) {
    return refusal(path, "its journal belongs to another file of this name",
                   "if this one is whole, delete " + shell_quoted(journal_name));
  }
  return end_change(*file, std::move(journal));
}

}  // namespace mtpgraft
