// Directories, and the files that only this program knows of: those of its cache, and those that end with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/file.h"

namespace mtpgraft {

// An open directory: nothing that takes its place meanwhile is read or removed through it.
class Directory {
 public:
  // A regular file; symbolic links are not followed.
  struct Entry {
    std::uint64_t size;
    std::int64_t changed_s;  // since 1970
  };

  Directory() = default;
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  virtual ~Directory() = default;

  [[nodiscard]] virtual std::vector<std::string> names() const = 0;
  // Nothing if there is no such regular file.
  [[nodiscard]] virtual std::optional<Entry> find(const std::string& name) const = 0;
  // Null if there is no such regular file.
  virtual Result<std::unique_ptr<ReadableFile>> open(const std::string& name) const = 0;
  // None is no error.
  virtual Status remove(const std::string& name) const = 0;
  // Sets the time of the last change to now.
  virtual void touch(const std::string& name) const = 0;
};

// Null if there is none. `what` it is stands in the error.
Result<std::unique_ptr<Directory>> open_directory(const std::string& path, std::string_view what);

// Neither by way of a symbolic link, nor one that another user has made: where others may write, as in /tmp, its files
// could be theirs. Root may use those of others, as containers do.
Result<std::unique_ptr<Directory>> open_own_directory(const std::string& path);

// For nobody else. One that is there is no error.
Status make_private_directory(const std::string& path);

// Stays if something is in it.
void remove_directory(const std::string& path);

// Where programs keep what they can get again: "$XDG_CACHE_HOME", else "$HOME/.cache"; empty if neither is set.
std::string user_cache_directory();

// A file that is gone when the program ends, however it ends. As long as it need be; ranges never written read as
// zeros.
class TemporaryFile {
 public:
  TemporaryFile() = default;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  virtual ~TemporaryFile() = default;

  virtual Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  virtual Status read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

// In $TMPDIR, else in /var/tmp.
Result<std::unique_ptr<TemporaryFile>> make_temporary_file();

// Keeps the programs apart that give several files of the directory of `path` their names, until the last copy of the
// answer is gone. Waits for others until `progress` asks to stop. Locks nothing where the system cannot, as on some
// network file systems.
Result<std::shared_ptr<void>> lock_directory_of(const std::string& path, const Progress& progress);

}  // namespace mtpgraft
