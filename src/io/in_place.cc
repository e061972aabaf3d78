#include "io/in_place.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <thread>

#include "io/extents.h"
#include "io/journal.h"
#include "io/posix_io.h"
#include "io/posix_staged_file.h"
#include "io/recovery.h"
#include "io/stream.h"
#include "util/parallel.h"

namespace mtpgraft {
namespace {

Error refusal(const std::string& path, std::string message, std::string hint) {
  return {ErrorCode::kRefused, std::move(message), path, {}, std::move(hint)};
}

constexpr const char* kUseCopy = "graft without --in-place, which writes a new file";

// Writing the head to disk is started by this much at a time.
constexpr std::uint64_t kWindowBytes = std::uint64_t{16} << 20;

class InsertionFile final : public StagedFile {
 public:
  InsertionFile(const PosixReadableFile& file, const InPlaceChange& change,
                std::function<void(std::string_view)> after_step)
      : file_(file),
        change_(change),
        stored_bytes_(stored_bytes_of(file.descriptor())),
        end_(file.size()),
        started_(file.size()),
        after_step_(std::move(after_step)) {
    journal_.inode = file.status().st_ino;
    journal_.old_size = file.size();
    journal_.new_size = change.new_size;
    journal_.inserted_bytes = change.kept.offset - change.kept.source_offset;
    journal_.new_header.resize(change.kept.offset);
  }
  InsertionFile(const InsertionFile&) = delete;
  InsertionFile& operator=(const InsertionFile&) = delete;

  ~InsertionFile() override {
    if (has_begun_) {
      // If this fails too, the journal stays, and the next command asks for `recover`.
      (void)end_change(file_, journal_).ok();
    }
  }

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (offset < change_.kept.offset) {
      std::ranges::copy(bytes, journal_.new_header.begin() + static_cast<std::ptrdiff_t>(offset));
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
    MTPGRAFT_CHECK(sync_file(fd, path));
    passed("synced the head");
    MTPGRAFT_CHECK(enter(JournalStep::kInsert));
    cache_droppers_.clear();  // waits for them
    if (journal_.inserted_bytes > 0) {
      MTPGRAFT_CHECK(change_blocks(fd, path, FALLOC_FL_INSERT_RANGE, "insert blocks", 0, journal_.inserted_bytes));
      passed("inserted");
      MTPGRAFT_CHECK(sync_file(fd, path));
      passed("synced the insertion");
    }
    MTPGRAFT_CHECK(enter(JournalStep::kHeader));
    constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
    const auto header = std::span(journal_.new_header);
    for (std::size_t done = 0; done < header.size(); done += kPieceBytes) {
      const auto piece = header.subspan(done, std::min(kPieceBytes, header.size() - done));
      MTPGRAFT_CHECK(write_fully(fd, path, done, piece));
      passed("wrote a part of the header");
    }
    MTPGRAFT_CHECK(sync_file(fd, path));
    passed("synced the header");
    has_begun_ = false;
    const auto stored = stored_bytes_of(fd);
    MTPGRAFT_CHECK(delete_journal(path));
    passed("deleted the journal");
    return stored - std::min(stored, stored_bytes_);
  }

 private:
  // Where `offset` of the output stands before the insertion.
  [[nodiscard]] std::uint64_t before_insertion(std::uint64_t offset) const { return offset - journal_.inserted_bytes; }

  void passed(std::string_view step) const {
    if (after_step_) {
      after_step_(step);
    }
  }

  // The header is complete here: what comes before the kept range is written before what comes after it.
  Status begin() {
    if (has_begun_) {
      return ok_status();
    }
    journal_.old_header.resize(change_.kept.source_offset);
    MTPGRAFT_CHECK(file_.read_at(0, journal_.old_header));
    MTPGRAFT_TRY(const auto staged, PosixStagedFile::create(journal_path(file_.path()), journal_size(journal_)));
    MTPGRAFT_CHECK(write_journal(journal_, *staged));
    MTPGRAFT_CHECK(staged->commit(Overwrite::kNo, Durability::kSync));
    has_begun_ = true;
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
    MTPGRAFT_CHECK(set_journal_step(file_.path(), step));
    journal_.step = step;
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
    const auto end = before_insertion(offset);
    return in_zeros(end - std::min(end, end_), [&](std::span<const std::byte> zeros) { return append(zeros); });
  }

  const PosixReadableFile& file_;
  const InPlaceChange change_;
  const std::uint64_t stored_bytes_;
  Journal journal_;         // its new header is collected here
  bool has_begun_ = false;  // the journal is on disk
  std::uint64_t end_;
  std::uint64_t started_;  // up to here the system has been told to write what was appended
  std::function<void(std::string_view)> after_step_;
  std::vector<std::jthread> cache_droppers_;
};

}  // namespace

Result<std::unique_ptr<PosixReadableFile>> open_with_lease(const std::string& path) {
  const auto in_use = refusal(path, "another program has the file open",
                              "end that program first ('fuser' names it), or graft without --in-place");
  // Should another program wait for our lease to end, O_NONBLOCK makes us the one who gives way.
  FileDescriptor fd(retry([&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK); }));
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
  return std::make_unique<PosixReadableFile>(path, std::move(fd), status, PosixReadableFile::Lease::kHeld);
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
    return refusal(
        path,
        "its end would change (a head that --replace takes out, or bytes behind the last tensor), which takes a file "
        "system that can share blocks",
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
  const FileDescriptor probe(::open(parent_of(real_path(path)).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
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

}  // namespace mtpgraft
