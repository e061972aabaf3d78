// No more than POSIX has.
#include "io/system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "io/io_posix.h"

namespace mtpgraft {

std::vector<std::string_view> file_system_features() { return {}; }

namespace system {
namespace {

int unsupported() {
  errno = ENOTSUP;
  return -1;
}

}  // namespace

int open_unnamed(const std::string& /*directory*/, mode_t /*mode*/) { return unsupported(); }

int open_nameable(const std::string& /*directory*/, mode_t /*mode*/) { return unsupported(); }

bool is_open_for_writing(int /*fd*/) { return false; }

void end_with_parent(pid_t /*parent*/) {}

int rename_exclusively(const char* /*from*/, const char* /*to*/) { return unsupported(); }

int link_opened(int fd, const std::string& path, const char* name) {
  if (::linkat(AT_FDCWD, path.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW) != 0) {
    return -1;
  }
  struct stat opened {};
  struct stat named {};
  if (::fstat(fd, &opened) != 0 || ::lstat(name, &named) != 0) {
    return -1;
  }
  if (!is_same_file(named, opened)) {
    ::unlink(name);
    errno = ENOENT;  // another file has taken the path
    return -1;
  }
  return 0;
}

int clone_range(int /*in*/, int /*out*/, const CopyRange& /*range*/) { return unsupported(); }

int reserve(int fd, std::uint64_t offset, std::uint64_t length) {
  // It returns the number of its error.
  return retry([&] {
    errno = ::posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(length));
    return errno == 0 ? 0 : -1;
  });
}

bool copies_faster_in_kernel(int /*fd*/) { return false; }
std::int64_t copy_in_kernel(int /*in*/, int /*out*/, const CopyRange& /*range*/) { return unsupported(); }

void start_reading(int fd, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) {
    return;  // which would mean: to the end of the file
  }
  ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_WILLNEED);
}

void start_writing(int /*fd*/, std::uint64_t /*offset*/, std::uint64_t /*length*/) {}
void finish_writing(int /*fd*/, std::uint64_t /*offset*/, std::uint64_t /*length*/) {}

void drop_from_cache(int fd, std::uint64_t offset, std::uint64_t length) {
  ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
}

}  // namespace system
}  // namespace mtpgraft
