// What the files with system calls share: errors in the words of the system, calls that survive signals, and calls that
// return a Status. `path` is for messages.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "io/file_descriptor.h"
#include "mtpgraft/file.h"

namespace mtpgraft {

Error io_error(const std::string& path, std::string_view action, int number = errno);

// The error where another program is at work on the file: when that is done, the same may succeed.
Error other_program(ErrorCode code, std::string message, const std::string& path,
                    std::string hint = "try again when it is done");

// The same of a file that was to be read, and of one that was to be made: what may be done about permissions, and
// whether another name would mend it.
Error input_error(const std::string& path, std::string_view action, int number = errno);
// Of one that was to be changed.
Error change_error(const std::string& path, std::string_view action, int number = errno);
Error output_error(const std::string& path, std::string_view action, int number = errno);

// Whether the error says "not for these files, or not here", as opposed to "tried, and failed".
bool is_unsupported(int number);

// Retries what a signal interrupted.
template <class Call>
auto retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// Not where something else is mounted: a look into that may wait for a server, or for a disk to spin up.
bool is_same_disk(const std::string& folder, const std::string& below);

bool is_same_file(const struct stat& a, const struct stat& b);

// Writes all bytes at the offset.
Status write_fully(int fd, const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes);

// Where files without a name stand: $TMPDIR, else /var/tmp, not /tmp, which may be in memory.
std::string temporary_directory();

// A file without a name, to read and to write. Invalid, with errno, if it cannot be made.
FileDescriptor open_temporary(const std::string& directory);

Status sync_file(int fd, const std::string& path);

// Makes the names in the directory of `path` last.
Status sync_directory_of(const std::string& path);

// Cuts the file, or lengthens it by a hole.
Status resize_file(int fd, const std::string& path, std::uint64_t size);

Result<std::uint64_t> size_of(int fd, const std::string& path);
// 0 if the system does not tell.
std::uint64_t stored_bytes_of(int fd);

// Why blocks of kCloneBlockBytes cannot be shared or shifted in this file: those of its file system are larger. Empty
// if they are not.
std::string large_blocks(int fd);

// The next range that holds data in [at, end); empty at `end` if there is none.
ByteRange find_data(int fd, std::uint64_t at, std::uint64_t end);

}  // namespace mtpgraft
