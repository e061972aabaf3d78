#include "io/io_posix.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "io/file_descriptor.h"
#include "util/path.h"
#include "util/transient.h"

namespace mtpgraft {
namespace {

// Some file systems cannot write a single file or directory to storage; with all others it is written as well.
int sync_or_all(int fd) {
  if (retry([&] { return ::fsync(fd); }) == 0) {
    return 0;
  }
  if (!is_unsupported(errno)) {
    return -1;
  }
  ::sync();
  return 0;
}

}  // namespace

Error io_error(const std::string& path, std::string_view action, int number) {
  Error error{.code = ErrorCode::kIo,
              .message = fmt::format("cannot {}: {}", action, std::generic_category().message(number)),
              .path = path,
              .is_retryable = is_transient(number)};
  if (number == ENOSPC || number == EDQUOT) {
    error.hint = "free some space, or write to another disk";
  }
  return error;
}

Error other_program(ErrorCode code, std::string message, const std::string& path, std::string hint) {
  return {.code = code, .message = std::move(message), .path = path, .hint = std::move(hint), .is_retryable = true};
}

bool is_unsupported(int number) {
  return number == ENOSYS || number == EOPNOTSUPP || number == ENOTTY || number == EXDEV || number == EINVAL ||
         number == EPERM || number == EBADF || number == ETXTBSY;
}

bool is_same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

Status write_fully(int fd, const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const auto put = retry(
        [&] { return ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done)); });
    if (put < 0) {
      return io_error(path, "write");
    }
    done += static_cast<std::size_t>(put);
  }
  return ok_status();
}

Status sync_directory_of(const std::string& path) {
  const FileDescriptor directory(
      retry([&] { return ::open(parent_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!directory.valid() && errno == EACCES) {
    ::sync();  // one may make files in a directory that one may not read
    return ok_status();
  }
  return directory.valid() && sync_or_all(directory.get()) == 0
             ? ok_status()
             : Status(io_error(path, "write the directory to storage"));
}

Status sync_file(int fd, const std::string& path) {
  return sync_or_all(fd) == 0 ? ok_status() : Status(io_error(path, "write to storage"));
}

Status resize_file(int fd, const std::string& path, std::uint64_t size) {
  return retry([&] { return ::ftruncate(fd, static_cast<off_t>(size)); }) == 0 ? ok_status()
                                                                               : Status(io_error(path, "resize"));
}

Result<std::uint64_t> size_of(int fd, const std::string& path) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? Result<std::uint64_t>(static_cast<std::uint64_t>(status.st_size))
                                   : io_error(path, "look at the file");
}

std::uint64_t stored_bytes_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0;
}

std::string large_blocks(int fd) {
  struct statvfs system {};
  if (::fstatvfs(fd, &system) != 0 || system.f_frsize <= kCloneBlockBytes) {
    return "";
  }
  return fmt::format("its file system has blocks of {} bytes, and the data go by blocks of {}",
                     std::uint64_t{system.f_frsize}, kCloneBlockBytes);
}

ByteRange find_data(int fd, std::uint64_t at, std::uint64_t end) {
  const auto from = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
  if (from < 0) {
    // ENXIO: only a hole is left. Anything else: the file system does not know holes.
    return errno == ENXIO ? ByteRange{end, 0} : ByteRange{at, end - at};
  }
  const auto to = ::lseek(fd, from, SEEK_HOLE);
  const auto clamp = [&](off_t value) { return std::clamp(static_cast<std::uint64_t>(value), at, end); };
  const auto begin = clamp(from);
  return {begin, (to < 0 ? end : clamp(to)) - begin};
}

}  // namespace mtpgraft
