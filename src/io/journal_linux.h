// The journal of a change in place: what is needed to undo it, in a file beside the changed one. Its first block is
// text,
//
//   mtpgraft journal 1, step 2
//   inode 1234
//   ...
//
// padded with newlines; behind it stand the old and the new bytes before the kept range. docs/design.md tells what the
// steps mean. Taking blocks out is the same as undoing their insertion, so its journal is that of the insertion: `old`
// is what the file is to become.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/file_descriptor.h"
#include "io/journal_name.h"
#include "io/readable_file_posix.h"
#include "mtpgraft/file.h"

namespace mtpgraft {

enum class JournalStep : char {
  kAppend = '1',  // bytes are written behind the old end
  kInsert = '2',  // blocks are being inserted: there may be a gap of `inserted_bytes` anywhere
  kHeader = '3',  // the blocks are at the front, and the new header is written over them
};

// Is called after everything that changes a file, with a word for it, so that tests can stop there.
using AfterStep = std::function<void(std::string_view)>;

inline constexpr std::string_view kJournalMagic = "mtpgraft journal 1, step ";
// Where in the journal the one byte stands that tells the step.
inline constexpr std::uint64_t kJournalStepOffset = kJournalMagic.size();

struct Journal {
  JournalStep step = JournalStep::kAppend;
  std::uint64_t inode = 0;
  std::uint64_t old_size = 0;
  std::uint64_t new_size = 0;
  std::uint64_t inserted_bytes = 0;   // multiple of kCloneBlockBytes
  std::vector<std::byte> old_header;  // the bytes before the kept range
  std::vector<std::byte> new_header;
};

std::uint64_t journal_size(const Journal& journal);

// `file` has journal_size() bytes.
Status write_journal(const Journal& journal, StagedFile& file);

// kMalformed if it is not what write_journal() makes.
Result<Journal> read_journal(const ReadableFile& file);

// A journal beside the file that it belongs to. From create() or open() on it is held open, and is that file whatever
// gets its name meanwhile.
class JournalFile {
 public:
  JournalFile() = default;

  // Opens the journal of `target`. Fails with kRefused unless it is a regular file that belongs to the target's owner
  // or to root, and was made for this very target.
  static Result<JournalFile> open(const PosixReadableFile& target);

  // Writes `content` to a new journal of `target`; it is on disk when this returns. Who may not read the target may not
  // read it either.
  Status create(const PosixReadableFile& target);

  // As on disk; until create() it is the caller's to fill.
  [[nodiscard]] Journal& content() { return content_; }
  [[nodiscard]] const Journal& content() const { return content_; }

  // Changes the step, by one byte, so that there is no state between the steps; on disk when it returns.
  Status enter(JournalStep step);

  // Deletes it, if its name is still its own.
  Status remove();

 private:
  Status open_directory(const std::string& target_path);

  std::string path_;
  std::string name_;  // in the directory
  FileDescriptor directory_;
  std::unique_ptr<PosixReadableFile> file_;
  Journal content_;
};

}  // namespace mtpgraft
