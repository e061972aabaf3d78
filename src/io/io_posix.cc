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
#include "util/text.h"
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

std::string hint_of(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
      return "free some space, or write to another disk";
    case EROFS:
      return "mount the file system for writing";
    case EFBIG:
      return "raise the limit ('ulimit -f'), if it is not the file system's own (FAT32: 4 GiB)";
    case ENAMETOOLONG:
      return "shorten it: a name has 255 bytes at most";
    case ELOOP:
      return "symbolic links lead in a circle there: 'ls -l' shows them";
    case EMFILE:
    case ENFILE:
      return "more files have to be open at once: raise the limit ('ulimit -n')";
    default:
      return "";
  }
}

// The first folder on the way to `path` that the user may not go through; empty if there is none.
std::string find_closed_folder(const std::string& path) {
  std::string closed;
  auto folder = parent_of(path);
  for (std::string below; folder != below; below = std::exchange(folder, parent_of(folder))) {
    if (::access(folder.c_str(), X_OK) != 0 && errno == EACCES) {
      closed = folder;
    }
  }
  return closed;
}

// A letter of chmod.
std::string hint_at_permission(const std::string& path, std::string_view action, std::string_view letter) {
  if (::geteuid() == 0) {
    return fmt::format("root may not {} it either: its file system, or a flag that 'lsattr -d {}' shows, forbids it",
                       action, shell_quoted(path));
  }
  struct stat status {};
  const bool is_own = ::stat(path.c_str(), &status) == 0 && status.st_uid == ::geteuid();
  if (is_own && (status.st_mode & (letter == "r" ? S_IRUSR : letter == "w" ? S_IWUSR : S_IXUSR)) == 0) {
    return fmt::format("chmod u+{} {} lets you {} it", letter, shell_quoted(path), action);
  }
  return fmt::format("you may not {} '{}': ask its owner, or root", action, path);
}

}  // namespace

Error io_error(const std::string& path, std::string_view action, int number) {
  return {.code = ErrorCode::kIo,
          .message = fmt::format("cannot {}: {}", action, std::generic_category().message(number)),
          .path = path,
          .hint = hint_of(number),
          .is_retryable = is_transient(number)};
}

Error input_error(const std::string& path, std::string_view action, int number) {
  auto error = io_error(path, action, number);
  if (number == EACCES || number == EPERM) {
    const auto folder = find_closed_folder(path);
    error.hint = folder.empty() ? hint_at_permission(path, "read", "r") : hint_at_permission(folder, "look into", "x");
  }
  return error;
}

Error change_error(const std::string& path, std::string_view action, int number) {
  const bool is_readable = ::access(path.c_str(), R_OK) == 0;
  auto error = input_error(path, action, number);
  if ((number == EACCES || number == EPERM) && is_readable) {
    error.hint = hint_at_permission(path, "write to", "w");
  }
  return error;
}

Error output_error(const std::string& path, std::string_view action, int number) {
  auto error = io_error(path, action, number);
  if (number == EACCES || number == EPERM) {
    const auto folder = find_closed_folder(path);
    error.hint = folder.empty() ? hint_at_permission(parent_of(path), "write to", "w")
                                : hint_at_permission(folder, "look into", "x");
    error.remedy = Remedy::kNameOutput;
  } else if (number == EROFS || number == EFBIG) {
    error.remedy = Remedy::kOtherDisk;
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

bool is_same_disk(const std::string& folder, const std::string& below) {
  struct stat a {};
  struct stat b {};
  return ::stat(folder.c_str(), &a) == 0 && ::stat(below.c_str(), &b) == 0 && a.st_dev == b.st_dev;
}

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
