// The file layer. Everything above it reads and writes through these interfaces, so that a program can put files of its
// own in their place (docs/library.md). Offsets and lengths are bytes.
//
// Who implements them: errors are returned, nothing is thrown. Const functions of a ReadableFile are called from
// several threads at once. All else is called by one thread at a time, which need not be the caller's; only release()
// with several jobs calls a FileSystem from several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/result.h"

namespace mtpgraft {

// Is called with the bytes done since the last call, which may be 0; returning false asks the work to stop with
// kInterrupted. Wherever one is taken it may be empty, and it must not throw. See context.h for threads.
using Progress = std::function<bool(std::uint64_t)>;

struct ByteRange {
  std::uint64_t offset;
  std::uint64_t length;

  bool operator==(const ByteRange&) const = default;
};

// A range of one file that stands, or is to stand, at `offset` of another.
struct CopyRange {
  std::uint64_t source_offset;
  std::uint64_t offset;
  std::uint64_t length;

  // Needs from + part_length <= length.
  [[nodiscard]] CopyRange part(std::uint64_t from, std::uint64_t part_length) const {
    return {source_offset + from, offset + from, part_length};
  }
};

// File systems share whole blocks. Few have blocks of another size; on these the system refuses to clone.
inline constexpr std::uint64_t kCloneBlockBytes = 4096;

// Returns the whole blocks of a range; empty (at its end) unless both offsets are at the same place in a block.
CopyRange clonable_part(const CopyRange& range);

class ReadableFile;

// Who may read and write a file: the bits that POSIX has for its owner, its group and all others.
using Permissions = std::uint32_t;

// What a new file has, less what the user's umask takes away.
inline constexpr Permissions kNewFilePermissions = 0666;

// Says which file it is, whatever it is called: a device, and a number of 128 bits on it. An inode is 64 of these.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t number_high = 0;
  std::uint64_t number_low = 0;

  bool operator==(const FileIdentity&) const = default;
};

// Says which file it is, and in what state.
struct FileStamp {
  FileIdentity identity{};
  std::uint64_t size = 0;
  std::int64_t changed_ns = 0;  // time of the last change, in nanoseconds since 1970

  bool operator==(const FileStamp&) const = default;
};

// Bytes of a file.
struct FilePiece {
  const ReadableFile* file;  // never null; not owned: lives as long as the file that was asked
  ByteRange range;
};

// An open file. Its size and bytes are those of when it was opened.
class ReadableFile {
 public:
  ReadableFile() = default;
  ReadableFile(const ReadableFile&) = delete;
  ReadableFile& operator=(const ReadableFile&) = delete;
  virtual ~ReadableFile() = default;

  // Returns the name that it was opened by, for messages and for the record.
  [[nodiscard]] virtual const std::string& path() const = 0;
  [[nodiscard]] virtual std::uint64_t size() const = 0;

  // Reads exactly out.size() bytes starting `offset` bytes into the file. Fails with kIo if the range passes the end
  // or the system refuses; `out` is then unspecified. Safe to call from several threads.
  virtual Status read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;

  // Fails with kIo if the file has changed since it was opened, as far as the system can tell.
  [[nodiscard]] virtual Status check_unchanged() const = 0;

  // Returns nothing for a file that the system does not know, which is the default.
  [[nodiscard]] virtual std::optional<FileStamp> stamp() const;

  // Returns the bytes that storage really holds for it; less than size() for a sparse file.
  [[nodiscard]] virtual std::uint64_t stored_bytes() const = 0;

  // The default is those of a new file.
  [[nodiscard]] virtual Permissions permissions() const;

  // Returns whether another program can write to it now. Of what is written by a memory mapping that
  // was there already, check_unchanged() sees nothing. False where the system cannot tell; that is the default.
  [[nodiscard]] virtual bool is_being_written() const;

  // Returns where the first byte of a range is that was never written, or was taken out again, and reads as zero;
  // nothing if there is none, or the file system cannot tell. That is the default.
  [[nodiscard]] virtual std::optional<std::uint64_t> find_hole(const ByteRange& range) const;

  // Returns the parts of this file's [range.offset, +length) that lie in the very blocks on disk that hold `source` at
  // range.source_offset, relative to the range, in order. Empty where the file system cannot tell; that is the default.
  [[nodiscard]] virtual std::vector<ByteRange> shared_parts(const ReadableFile& source, const CopyRange& range) const;

  // Returns where the bytes of a range stand, in order. A file that is composed of others names these; what it makes
  // itself, and every other file, is its own. The default names this file.
  [[nodiscard]] virtual std::vector<FilePiece> pieces(const ByteRange& range) const;

  // Returns the files that its bytes come from: itself, unless it is composed. They live as long as this file.
  [[nodiscard]] virtual std::vector<const ReadableFile*> sources() const;

  // Returns what is read of those files when a range is read. For bytes that are made on demand, that is all that they
  // are made of.
  [[nodiscard]] virtual std::vector<FilePiece> reads(const ByteRange& range) const;
};

// Whether an output may take the name of a file that is there.
enum class Overwrite { kNo, kYes };

// Whether an output is on storage, safe from a power cut, when it has its name.
enum class Durability { kSync, kNoSync };

// How bytes get from one file to another.
enum class CopyMethod {
  kAuto,      // clones, else copies as is fastest on the file system
  kClone,     // both files share the blocks on disk; only whole blocks can be shared
  kKernel,    // copy_file_range
  kBuffered,  // read and write
};

// Is shown the bytes of a file one after the other, in pieces that are valid during the call only. Must not throw.
using ByteSink = std::function<void(std::span<const std::byte>)>;

struct CopyOptions {
  CopyMethod method = CopyMethod::kAuto;  // for copy_from(), kClone is kAuto
  ByteSink observe;                       // if set, is shown what is copied; copying is then buffered
};

// Counts bytes by the way that they were copied.
struct CopyCounts {
  std::uint64_t in_kernel = 0;  // never came into this program
  std::uint64_t buffered = 0;   // read and written
  std::uint64_t holes = 0;      // holes of the source that stay holes
  std::uint64_t kept = 0;       // were in place already

  CopyCounts& operator+=(const CopyCounts& other);
};

// An output that does not exist under its name until commit(). Destroying it uncommitted leaves nothing behind. The
// file system that staged it must outlive it.
class StagedFile {
 public:
  StagedFile() = default;
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;
  virtual ~StagedFile() = default;

  // Writes all of `bytes`. The caller keeps within the size that was staged.
  virtual Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;

  // Shares the blocks of a range that is its own clonable_part(). Returns why this is impossible for these two files,
  // or nothing if it is done. Other failures are errors. The default says that it is impossible.
  virtual Result<std::optional<std::string>> clone_from(const ReadableFile& source, const CopyRange& range);

  // Takes the storage that copying this range will need, so that a full disk is noticed before the work. The default
  // does nothing.
  virtual Status reserve(const ReadableFile& source, const CopyRange& range);

  // Copies a range. How it is copied does not change what is written. The default reads `source` and calls write_at().
  virtual Result<CopyCounts> copy_from(const ReadableFile& source, const CopyRange& range, const CopyOptions& options,
                                       const Progress& progress);

  // Gives the file its name. With Overwrite::kNo an existing name is kRefused, without a race. With kSync the data and
  // the name are on storage when it returns. Is called once at most. Returns the bytes of storage that the file takes
  // for itself, without what it shares with others.
  virtual Result<std::uint64_t> commit(Overwrite overwrite, Durability durability) = 0;
};

// How a file gets a further name.
enum class LinkMethod { kHard, kSymbolic };

// How a file is changed in place.
enum class InPlaceMethod {
  kClone,   // a new file that shares the old one's blocks takes its name
  kInsert,  // in the file itself, by inserting blocks at its front or taking them out, protected by a journal beside it
};

// The bytes of a file that stay as they are, and where they will be: in a file of `new_size` bytes. Where nothing moves
// and the size stays, only the blocks that differ are written, on any file system.
struct InPlaceChange {
  CopyRange kept;
  std::uint64_t new_size;
};

// Of file systems that do not tell.
inline constexpr std::uint64_t kUnknownFreeBytes = UINT64_MAX;

// What recover() did.
enum class Recovery {
  kNothingToDo,
  kRolledBack,  // the file is what it was
  kCompleted,   // the file is what it was to become
};

// Whether `path` is on a server: "https://", "http://", "hf://", "hf.co/" or "huggingface.co/" begins it, in any case.
bool is_remote(std::string_view path);

// Where inputs are opened. Inside a folder a file's path is FOLDER/NAME. Paths are opaque else, but what is_remote()
// knows is never asked of a Context's file system for a donor.
class FileSource {
 public:
  FileSource() = default;
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;
  virtual ~FileSource() = default;

  // Opens a file; never null. Fails with kIo if there is none.
  virtual Result<std::unique_ptr<ReadableFile>> open(const std::string& path) = 0;

  [[nodiscard]] virtual bool is_folder(const std::string& path) const = 0;

  // Returns the names of the files and folders in a folder, in no order. Fails with kIo if it cannot be read. The
  // default fails with kUnsupported: then messages say less of what is there.
  [[nodiscard]] virtual Result<std::vector<std::string>> list_folder(const std::string& path) const;

  virtual Result<bool> exists(const std::string& path) = 0;

  // kRefused if a file of a folder is a link that leads out of it, but for one of a snapshot in the Hugging Face cache
  // to a blob of the same repository.
  virtual Status check_inside(const std::string& folder, const std::string& path) const = 0;
};

class FileSystem : public FileSource {
 public:
  // Fails with kRefused if the file has a journal: it was being changed in place.
  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override = 0;

  // Starts an output of exactly `size` bytes; ranges never written read as zeros. Never null.
  virtual Result<std::unique_ptr<StagedFile>> stage(const std::string& path, std::uint64_t size) = 0;

  // The same with at most these permissions, less what the user's umask takes away; the owner may always write. The
  // default is stage().
  virtual Result<std::unique_ptr<StagedFile>> stage_with(const std::string& path, std::uint64_t size,
                                                         Permissions permissions);

  // Starts an output that is `file` itself, which must outlive it, under another name. `file` is one of this file
  // system, else kUsage.
  virtual Result<std::unique_ptr<StagedFile>> stage_link(const std::string& path, const ReadableFile& file,
                                                         LinkMethod method) = 0;

  // Takes the name away, for good when it returns. That there is none is no error.
  virtual Status remove(const std::string& path) = 0;

  // Fails with kRefused if `path` names one of `inputs`, however it is spelled, or exists and may not be overwritten.
  virtual Status check_output(const std::string& path, std::span<const ReadableFile* const> inputs,
                              Overwrite overwrite) = 0;

  // Returns the bytes that an unprivileged user can still write where `path` would stand, or kUnknownFreeBytes.
  virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;

  // Returns equal numbers for paths that share their free bytes. The default returns 0.
  virtual Result<std::uint64_t> file_system_of(const std::string& path);

  // Keeps others that give several files beside `path` their names waiting until the last copy of the answer is gone.
  // Waits for others in turn, until `progress` asks to stop. The default locks nothing, as does a system that cannot.
  virtual Result<std::shared_ptr<void>> lock_names(const std::string& path, const Progress& progress);

  // Makes one directory, for release(). One that is there is no error. The default fails with kUnsupported.
  virtual Status make_directory(const std::string& path);

  // Fails with kRefused, and the reason, where open_to_change() would for what the file is called: `path` is a symbolic
  // link, has other names or that of a digest, or is read-only. Opens nothing. The default refuses nothing.
  virtual Status check_changeable(const std::string& path);

  // Opens a file that stage_in_place() is to change; until it is closed no other program has it open. Fails with
  // kRefused if it is in use, and as check_changeable() does.
  virtual Result<std::unique_ptr<ReadableFile>> open_to_change(const std::string& path) = 0;

  // Returns how `file`, from open_to_change(), can be changed; fails with kRefused, and the reason, if it cannot.
  // Changes nothing.
  virtual Result<InPlaceMethod> in_place_method(const ReadableFile& file, const InPlaceChange& change) = 0;

  // Starts a new content for `file`, from open_to_change(), which commit() then replaces or changes; `file` must
  // outlive it. Ranges must be written in ascending order, all but change.kept, which is to be "copied" from `file` and
  // is not observed if it is there already.
  virtual Result<std::unique_ptr<StagedFile>> stage_in_place(const ReadableFile& file, const InPlaceChange& change,
                                                             InPlaceMethod method) = 0;

  // Ends a change in place that was interrupted: the file is then what it was, or, if only the last step was missing,
  // what it was to become. Fails with kRefused while another program changes it, and if `path` is a symbolic link.
  virtual Result<Recovery> recover(const std::string& path) = 0;
};

// Makes the one for the files of this machine. Several threads may use it at once.
std::unique_ptr<FileSystem> make_file_system();

// Names what can be done beyond plain reading and writing where a file system allows it: "clone" shares blocks between
// files, "insert" shifts blocks within one. The texts live as long as the program.
std::vector<std::string_view> file_system_features();

}  // namespace mtpgraft
