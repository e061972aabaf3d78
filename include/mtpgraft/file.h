// The file layer. Everything above it reads and writes through these three interfaces, so tests, fuzzers and remote
// sources can stand in for the disk. Offsets and lengths are bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "mtpgraft/result.h"

namespace mtpgraft {

// Called with the bytes done since the last call; returning false asks the work to stop with kInterrupted.
using Progress = std::function<bool(std::uint64_t)>;

class ReadableFile {
 public:
  ReadableFile() = default;
  ReadableFile(const ReadableFile&) = delete;
  ReadableFile& operator=(const ReadableFile&) = delete;
  virtual ~ReadableFile() = default;

  [[nodiscard]] virtual const std::string& path() const = 0;
  [[nodiscard]] virtual std::uint64_t size() const = 0;

  // Reads exactly out.size() bytes starting `offset` bytes into the file. Fails with kIo if the range passes the end
  // or the system refuses; `out` is then unspecified. Safe to call from several threads.
  virtual Status read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;

  // Fails with kIo if the file has changed since it was opened, as far as the system can tell.
  [[nodiscard]] virtual Status check_unchanged() const = 0;

  // Bytes that storage really holds for it; less than size() for a sparse file.
  [[nodiscard]] virtual std::uint64_t stored_bytes() const = 0;
};

enum class Overwrite { kNo, kYes };
enum class Durability { kSync, kNoSync };

// An output that does not exist under its name until commit(). Destroying it uncommitted leaves nothing behind.
class StagedFile {
 public:
  StagedFile() = default;
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;
  virtual ~StagedFile() = default;

  virtual Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;

  // Copies source[source_offset, +length) to `offset`. The bytes written do not depend on how they are copied.
  virtual Status copy_from(const ReadableFile& source, std::uint64_t source_offset, std::uint64_t offset,
                           std::uint64_t length, const Progress& progress);

  // Gives the file its name. With Overwrite::kNo an existing name is kRefused, without a race. With kSync the data and
  // the name are on storage when it returns. May be called once.
  virtual Status commit(Overwrite overwrite, Durability durability) = 0;
};

class FileSystem {
 public:
  FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<ReadableFile>> open(const std::string& path) = 0;

  // Starts an output of exactly `size` bytes; ranges never written read as zeros.
  virtual Result<std::unique_ptr<StagedFile>> stage(const std::string& path, std::uint64_t size) = 0;

  // kRefused if `path` names one of `inputs`, however it is spelled, or exists and may not be overwritten.
  virtual Status check_output(const std::string& path, std::span<const ReadableFile* const> inputs,
                              Overwrite overwrite) = 0;

  // Bytes that an unprivileged user can still write where `path` would stand.
  virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
};

// How the POSIX file system copies between files. Chosen by tests; kAuto is right everywhere else.
enum class CopyMethod { kAuto, kBuffered };

std::unique_ptr<FileSystem> make_posix_file_system(CopyMethod method = CopyMethod::kAuto);

}  // namespace mtpgraft
