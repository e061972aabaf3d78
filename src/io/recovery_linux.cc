#include "io/recovery_linux.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "io/block_insertion_linux.h"
#include "io/extents.h"
#include "io/io_posix.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

Error unknown_state(const std::string& path) {
  return {
      .code = ErrorCode::kMalformed,
      .message = "the file is in no state that an interrupted in-place change leaves",
      .path = path,
      .hint =
          "another program has changed it; if it is whole, or you take it from its source again, delete the journal " +
          shell_quoted(journal_path(path))};
}

// The gap that an insertion or a collapse leaves when it is interrupted, or when it is complete; empty if there is
// none. The file had no holes before, so the first is the gap.
Result<ByteRange> find_gap(int fd, const std::string& path, const Journal& journal) {
  MTPGRAFT_TRY(const auto size, size_of(fd, path));
  const auto size_without_gap = journal.new_size - journal.inserted_bytes;
  if (size == size_without_gap || size == journal.old_size) {
    return ByteRange{size, 0};
  }
  if (size != journal.new_size) {
    return unknown_state(path);
  }
  const auto hole = ::lseek(fd, 0, SEEK_HOLE);
  const auto data = hole < 0 ? hole : ::lseek(fd, hole, SEEK_DATA);
  if (data < 0 && errno != ENXIO) {
    return io_error(path, "look for its holes");
  }
  const auto gap = static_cast<std::uint64_t>(hole);
  const auto after = data < 0 ? size : static_cast<std::uint64_t>(data);
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

Result<std::vector<std::byte>> read_first(const PosixReadableFile& file, std::uint64_t length) {
  return read_around(file, {length, 0}, length);
}

Status remove_gap(int fd, const std::string& path, const ByteRange& gap) {
  MTPGRAFT_TRY(const auto size, size_of(fd, path));
  if (gap.offset + gap.length == size) {
    return resize_file(fd, path, gap.offset);
  }
  return change_blocks(fd, path, FALLOC_FL_COLLAPSE_RANGE, "take blocks out", gap.offset, gap.length);
}

// Whether all or a part of the new header may stand in the file, which has this size.
bool may_have_new_header(std::uint64_t size, const Journal& journal) {
  return journal.step == JournalStep::kHeader && size == journal.new_size;
}

// The file's first bytes in step kHeader: those of the new header where it has been written, else as before.
bool is_partly_written(std::span<const std::byte> bytes, const Journal& journal) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto before = i < journal.inserted_bytes ? std::byte{0} : journal.old_header[i - journal.inserted_bytes];
    if (bytes[i] != journal.new_header[i] && bytes[i] != before) {
      return false;
    }
  }
  return true;
}

}  // namespace

Status undo_change(const PosixReadableFile& file, JournalFile& journal_file, const AfterStep& after_step) {
  const auto& journal = journal_file.content();
  const auto fd = file.descriptor();
  const auto& path = file.path();
  const auto passed = [&](std::string_view step) {
    if (after_step) {
      after_step(step);
    }
  };
  MTPGRAFT_TRY(auto size, size_of(fd, path));
  if (may_have_new_header(size, journal)) {
    MTPGRAFT_TRY(const auto header, read_first(file, journal.new_header.size()));
    if (!is_partly_written(header, journal)) {
      return unknown_state(path);
    }
    MTPGRAFT_CHECK(write_fully(fd, path, journal.inserted_bytes, journal.old_header));
    passed("wrote the old header");
    if (journal.inserted_bytes > 0) {
      MTPGRAFT_CHECK(change_blocks(fd, path, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "clear blocks", 0,
                                   journal.inserted_bytes));
      passed("made the gap");
    }
    MTPGRAFT_CHECK(sync_file(fd, path));
    passed("synced the old header");
  }
  ByteRange gap{size, 0};
  if (journal.step != JournalStep::kAppend) {
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
  if (journal.step != JournalStep::kAppend) {
    // Also if that is what is read there: when syncing it failed, the step on the disk is still another.
    MTPGRAFT_CHECK(journal_file.enter(JournalStep::kInsert));
    passed("entered a step");
  }
  if (gap.length > 0) {
    MTPGRAFT_CHECK(remove_gap(fd, path, gap));
    passed("took the gap out");
    MTPGRAFT_CHECK(sync_file(fd, path));
    passed("synced without the gap");
  }
  MTPGRAFT_CHECK(resize_file(fd, path, journal.old_size));
  passed("cut the end");
  MTPGRAFT_CHECK(sync_file(fd, path));
  passed("synced the end");
  MTPGRAFT_CHECK(journal_file.remove());
  passed("deleted the journal");
  return ok_status();
}

Result<Recovery> end_change(const PosixReadableFile& file, JournalFile& journal_file, const AfterStep& after_step) {
  const auto& journal = journal_file.content();
  MTPGRAFT_TRY(const auto size, size_of(file.descriptor(), file.path()));
  if (may_have_new_header(size, journal)) {
    MTPGRAFT_TRY(const auto header, read_first(file, journal.new_header.size()));
    if (header == journal.new_header) {
      // When syncing it failed, the system takes for written what is not on the disk; now it has to write it.
      MTPGRAFT_CHECK(write_fully(file.descriptor(), file.path(), 0, header));
      MTPGRAFT_CHECK(sync_file(file.descriptor(), file.path()));
      MTPGRAFT_CHECK(journal_file.remove());
      return Recovery::kCompleted;
    }
  }
  MTPGRAFT_CHECK(undo_change(file, journal_file, after_step));
  return Recovery::kRolledBack;
}

}  // namespace mtpgraft
