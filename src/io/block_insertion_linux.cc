#include "io/block_insertion_linux.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <system_error>

#include "io/extents.h"
#include "io/io_posix.h"
#include "io/journal_linux.h"
#include "io/recovery_linux.h"
#include "io/staged_file_posix.h"
#include "io/stream.h"
#include "io/system.h"
#include "util/parallel.h"
#include "util/path.h"
#include "util/threads.h"

namespace mtpgraft {
namespace {

// `hint`: how to make the change possible.
Error refusal(const std::string& path, std::string message, std::string hint = {}) {
  return {.code = ErrorCode::kRefused,
          .message = std::move(message),
          .path = path,
          .hint = std::move(hint),
          .remedy = Remedy::kWriteNewFile};
}

// Writing the head to disk is started by this much at a time.
constexpr std::uint64_t kFlushBytes = std::uint64_t{16} << 20;

std::uint64_t shift_of(const CopyRange& kept) {
  return std::max(kept.offset, kept.source_offset) - std::min(kept.offset, kept.source_offset);
}

// Whether the change takes blocks out at the front, or does nothing to the kept range but cut what is behind it.
bool is_removal(const InPlaceChange& change, std::uint64_t size) {
  return change.kept.offset < change.kept.source_offset ||
         (change.kept.offset == change.kept.source_offset && change.new_size < size);
}

// Open for writing, while no other program has it open.
class LeasedFile final : public PosixReadableFile {
 public:
  using PosixReadableFile::PosixReadableFile;

  // Its lease tells that nobody else has it open; asking would take that away.
  [[nodiscard]] bool is_being_written() const override { return false; }

  Status check_unchanged() const override {
    if (::fcntl(descriptor(), F_GETLEASE) != F_WRLCK) {
      return other_program(ErrorCode::kRefused, "another program is opening the file while it is changed", path(),
                           "try again when the other program is done");
    }
    struct stat named {};
    if (::stat(path().c_str(), &named) != 0 && errno != ENOENT) {
      return io_error(path(), "look whether it still has its name");
    }
    if (!is_same_file(named, status())) {
      return Error{.code = ErrorCode::kRefused,
                   .message = "another file has taken its name while it was changed",
                   .path = path(),
                   .hint = "look which of the two is the right one, and try again"};
    }
    return ok_status();
  }
};

// What inserting and removing have in common: the new header is collected, and the kept range is in place already. Once
// there is a journal, destroying the file ends the change; if that fails too, the journal stays, and the next command
// asks for `recover`.
class ChangedFile : public StagedFile {
 public:
  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    std::ranges::copy(bytes, header_.begin() + static_cast<std::ptrdiff_t>(offset));
    return ok_status();
  }

  Result<CopyCounts> copy_from(const ReadableFile& source, const CopyRange& range, const CopyOptions& options,
                               const Progress& progress) override {
    if (range.offset != change_.kept.offset) {
      return StagedFile::copy_from(source, range, options, progress);
    }
    MTPGRAFT_CHECK(report_progress(progress, range.length));
    CopyCounts counts;
    counts.kept = range.length;
    return counts;
  }

 protected:
  ChangedFile(const PosixReadableFile& file, const InPlaceChange& change, AfterStep after_step)
      : file_(file), change_(change), header_(change.kept.offset), after_step_(std::move(after_step)) {
    journal().inode = file.status().st_ino;
    journal().inserted_bytes = shift_of(change.kept);
  }

  void passed(std::string_view step) const {
    if (after_step_) {
      after_step_(step);
    }
  }

  Result<std::vector<std::byte>> read_present_header() const {
    std::vector<std::byte> header(change_.kept.source_offset);
    MTPGRAFT_CHECK(file_.read_at(0, header));
    return header;
  }

  Status begin() {
    MTPGRAFT_CHECK(journal_file_.create(file_));
    has_begun_ = true;
    passed("wrote the journal");
    if (journal().inserted_bytes > 0) {
      start_dropping_cache();
    }
    return ok_status();
  }

  [[nodiscard]] Journal& journal() { return journal_file_.content(); }
  [[nodiscard]] const Journal& journal() const { return journal_file_.content(); }

  const PosixReadableFile& file_;
  const InPlaceChange change_;
  JournalFile journal_file_;
  std::vector<std::byte> header_;  // the new one
  bool has_begun_ = false;         // the journal is on disk
  const AfterStep after_step_;
  std::vector<JoiningThread> cache_droppers_;

 private:
  // Shifting drops the file from the page cache, on one core. Here all do it, while other things are written.
  void start_dropping_cache() {
    const auto part = file_.size() / worker_count() + 1;
    try {
      for (std::uint64_t offset = 0; offset < file_.size(); offset += part) {
        cache_droppers_.emplace_back(
            [fd = file_.descriptor(), offset, part] { system::drop_from_cache(fd, offset, part); });
      }
    } catch (const std::system_error&) {
      // No thread to be had: shifting takes a moment longer.
    }
  }
};

class InsertionFile final : public ChangedFile {
 public:
  InsertionFile(const PosixReadableFile& file, const InPlaceChange& change, AfterStep after_step)
      : ChangedFile(file, change, std::move(after_step)),
        stored_bytes_(stored_bytes_of(file.descriptor())),
        end_(file.size()),
        started_(file.size()) {
    journal().old_size = file.size();
    journal().new_size = change.new_size;
  }

  // Also where the header is complete: what could not be synced must not stay.
  ~InsertionFile() override {
    if (has_begun_) {
      (void)undo_change(file_, journal_file_).ok();
    }
  }

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (offset < change_.kept.offset) {
      return ChangedFile::write_at(offset, bytes);
    }
    MTPGRAFT_CHECK(begin_insertion());
    MTPGRAFT_CHECK(append_zeros_up_to(offset));
    return append(bytes);
  }

  Result<std::uint64_t> commit(Overwrite /*overwrite*/, Durability /*durability*/) override {
    const auto fd = file_.descriptor();
    const auto& path = file_.path();
    MTPGRAFT_CHECK(begin_insertion());
    MTPGRAFT_CHECK(append_zeros_up_to(change_.new_size));
    MTPGRAFT_CHECK(sync_file(fd, path));
    passed("synced the head");
    MTPGRAFT_CHECK(enter(JournalStep::kInsert));
    cache_droppers_.clear();  // waits for them
    if (journal().inserted_bytes > 0) {
      MTPGRAFT_CHECK(change_blocks(fd, path, FALLOC_FL_INSERT_RANGE, "insert blocks", 0, journal().inserted_bytes));
      passed("inserted");
      MTPGRAFT_CHECK(sync_file(fd, path));
      passed("synced the insertion");
    }
    MTPGRAFT_CHECK(enter(JournalStep::kHeader));
    MTPGRAFT_CHECK(write_header());
    MTPGRAFT_CHECK(sync_file(fd, path));
    passed("synced the header");
    has_begun_ = false;
    const auto stored = stored_bytes_of(fd);
    MTPGRAFT_CHECK(journal_file_.remove());
    passed("deleted the journal");
    return stored - std::min(stored, stored_bytes_);
  }

 private:
  // Where `offset` of the output stands before the insertion.
  [[nodiscard]] std::uint64_t before_insertion(std::uint64_t offset) const { return offset - journal().inserted_bytes; }

  // The header is complete here: what comes before the kept range is written before what comes after it.
  Status begin_insertion() {
    if (has_begun_) {
      return ok_status();
    }
    MTPGRAFT_TRY(journal().old_header, read_present_header());
    journal().new_header = std::move(header_);
    return begin();
  }

  Status enter(JournalStep step) {
    MTPGRAFT_CHECK(journal_file_.enter(step));
    passed("entered a step");
    return ok_status();
  }

  // Where nothing was inserted, the old header still stands there: only the blocks that differ are written.
  Status write_header() {
    const bool is_over_old = journal().inserted_bytes == 0;
    const std::size_t piece_bytes = is_over_old ? kCloneBlockBytes : std::size_t{1} << 20;
    const auto header = std::span<const std::byte>(journal().new_header);
    for (std::size_t done = 0; done < header.size(); done += piece_bytes) {
      const auto piece = header.subspan(done, std::min(piece_bytes, header.size() - done));
      if (is_over_old && std::ranges::equal(piece, std::span(journal().old_header).subspan(done, piece.size()))) {
        continue;
      }
      MTPGRAFT_CHECK(write_fully(file_.descriptor(), file_.path(), done, piece));
      passed("wrote a part of the header");
    }
    return ok_status();
  }

  Status append(std::span<const std::byte> bytes) {
    MTPGRAFT_CHECK(write_fully(file_.descriptor(), file_.path(), end_, bytes));
    end_ += bytes.size();
    if (end_ - started_ >= kFlushBytes) {
      system::start_writing(file_.descriptor(), started_, end_ - started_);
      started_ = end_;
    }
    passed("appended");
    return ok_status();
  }

  // Zeros are written: a hole would be taken for the gap of the insertion.
  Status append_zeros_up_to(std::uint64_t offset) {
    const auto end = before_insertion(offset);
    return in_zeros(end - std::min(end, end_), [&](std::span<const std::byte> zeros) { return append(zeros); });
  }

  const std::uint64_t stored_bytes_;
  std::uint64_t end_;
  std::uint64_t started_;  // up to here the system has been told to write what was appended
};

// Takes out what an insertion would have put in, by undoing one whose last step is done.
class RemovalFile final : public ChangedFile {
 public:
  RemovalFile(const PosixReadableFile& file, const InPlaceChange& change, AfterStep after_step)
      : ChangedFile(file, change, std::move(after_step)) {
    journal().step = JournalStep::kHeader;
    journal().old_size = change.new_size;
    journal().new_size = file.size();
  }

  ~RemovalFile() override {
    if (has_begun_) {
      (void)end_change(file_, journal_file_).ok();
    }
  }

  Result<std::uint64_t> commit(Overwrite /*overwrite*/, Durability /*durability*/) override {
    MTPGRAFT_TRY(journal().new_header, read_present_header());
    journal().old_header = std::move(header_);
    MTPGRAFT_CHECK(begin());
    cache_droppers_.clear();  // waits for them
    MTPGRAFT_CHECK(undo_change(file_, journal_file_, after_step_));
    has_begun_ = false;
    return std::uint64_t{0};
  }
};

}  // namespace

Result<std::unique_ptr<PosixReadableFile>> open_with_lease(const std::string& path) {
  auto in_use = refusal(path, "another program has the file open", "end that program first ('fuser' names it)");
  in_use.is_retryable = true;
  // Should another program wait for our lease to end, O_NONBLOCK makes us the one who gives way.
  FileDescriptor fd(retry([&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW); }));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    if (errno == EWOULDBLOCK || errno == ETXTBSY) {
      return in_use;
    }
    auto error = change_error(path, "open for writing");
    error.remedy = Remedy::kWriteNewFile;
    return error;
  }
  if (!S_ISREG(status.st_mode)) {
    return refusal(path, "is not a regular file");
  }
  // The usual one, SIGIO, would end the program if another one wants the file at once.
  ::fcntl(fd.get(), F_SETSIG, SIGURG);
  if (::fcntl(fd.get(), F_SETLEASE, F_WRLCK) != 0) {
    return errno == EAGAIN
               ? in_use
               : refusal(path, "the system does not tell whether another program has the file open (no lease)");
  }
  // No signal when another program wants the file; check_unchanged() asks.
  ::fcntl(fd.get(), F_SETOWN, 0);
  return std::unique_ptr<PosixReadableFile>(std::make_unique<LeasedFile>(path, std::move(fd), status));
}

Status change_blocks(int fd, const std::string& path, int mode, std::string_view action, std::uint64_t offset,
                     std::uint64_t length) {
  if (retry([&] { return ::fallocate(fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length)); }) != 0) {
    return io_error(path, action);
  }
  return ok_status();
}

Status check_change(const PosixReadableFile& file, const InPlaceChange& change) {
  const auto& kept = change.kept;
  const auto& path = file.path();
  const auto shift = shift_of(kept);
  const bool removes = is_removal(change, file.size());
  if (shift % kCloneBlockBytes != 0) {
    return refusal(path, "its data cannot be shifted by whole blocks");
  }
  const auto new_end = kept.offset + kept.length;
  const auto old_end = kept.source_offset + kept.length;
  if (removes ? new_end != change.new_size || old_end > file.size() : old_end != file.size()) {
    return refusal(
        path,
        "its end would change (a head that is replaced, or bytes behind the last tensor), which takes a file "
        "system that can share blocks");
  }
  if (shift == 0) {
    return ok_status();
  }
  struct statfs system {};
  if (retry([&] { return ::fstatfs(file.descriptor(), &system); }) != 0) {
    return io_error(path, "look at the file system");
  }
  if (system.f_type != EXT4_SUPER_MAGIC && system.f_type != XFS_SUPER_MAGIC) {
    return refusal(path, "its file system can neither share blocks between files nor shift them safely");
  }
  MTPGRAFT_TRY(const bool is_whole, is_stored_whole(file.descriptor(), path, file.size()));
  if (!is_whole) {
    return refusal(path, "it is sparse: after a crash, its holes could not be told from the gap that shifting leaves",
                   "fill the holes first (cp --sparse=never FILE NEW)");
  }
  // The same shift of a block in a file that nobody needs.
  const FileDescriptor probe(system::open_unnamed(parent_of(real_path(path)), 0600));
  const std::array<std::byte, kCloneBlockBytes> block{};
  if (!probe.valid()) {
    return io_error(path, "create a file beside it");
  }
  MTPGRAFT_CHECK(write_fully(probe.get(), path, removes ? shift : 0, block));
  const auto mode = removes ? FALLOC_FL_COLLAPSE_RANGE : FALLOC_FL_INSERT_RANGE;
  if (retry([&] { return ::fallocate(probe.get(), mode, 0, static_cast<off_t>(shift)); }) != 0) {
    if (!is_unsupported(errno)) {
      return io_error(path, "shift blocks of a file beside it");
    }
    const auto reason = large_blocks(probe.get());
    return refusal(path, reason.empty() ? "its file system cannot shift blocks" : reason);
  }
  return ok_status();
}

std::unique_ptr<StagedFile> stage_change(const PosixReadableFile& file, const InPlaceChange& change,
                                         AfterStep after_step) {
  if (is_removal(change, file.size())) {
    return std::make_unique<RemovalFile>(file, change, std::move(after_step));
  }
  return std::make_unique<InsertionFile>(file, change, std::move(after_step));
}

}  // namespace mtpgraft
