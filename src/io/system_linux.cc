#include "io/system.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "io/file_descriptor.h"
#include "io/io_posix.h"

namespace mtpgraft {

std::vector<std::string_view> file_system_features() { return {"clone", "insert"}; }

namespace system {
namespace {

int open_unnamed_with(int flags, const std::string& directory, mode_t mode) {
  // Without /proc it could not get a name.
  return ::access("/proc/self/fd", X_OK) == 0
             ? retry([&] { return ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | flags, mode); })
             : -1;
}

bool is_on_network(int fd) {
  struct statfs system {};
  return ::fstatfs(fd, &system) == 0 && (system.f_type == NFS_SUPER_MAGIC || system.f_type == SMB2_SUPER_MAGIC ||
                                         system.f_type == CIFS_SUPER_MAGIC || system.f_type == CEPH_SUPER_MAGIC);
}

}  // namespace

int open_unnamed(const std::string& directory, mode_t mode) { return open_unnamed_with(0, directory, mode); }

bool is_open_for_writing(int fd) {
  // A server that has not lent the file out answers as if somebody wrote to it.
  if (is_on_network(fd)) {
    return false;
  }
  // The usual signal, SIGIO, would end the program if another one opens the file just now.
  ::fcntl(fd, F_SETSIG, SIGURG);
  // Granted only to the owner and root, and only where nobody can write. Not held: others would wait for it.
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) {
    return errno == EAGAIN;
  }
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

void end_with_parent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) {
    ::_exit(1);
  }
}

int open_nameable(const std::string& directory, mode_t mode) {
  // With O_EXCL it never gets a name: ENOENT, unless it would be refused one anyway. So nothing is left of the trial.
  const FileDescriptor trial(open_unnamed_with(O_EXCL, directory, 0600));
  struct statfs system {};
  if (!trial.valid() || retry([&] { return ::fstatfs(trial.get(), &system); }) != 0) {
    return -1;
  }
  if (system.f_type == FUSE_SUPER_MAGIC) {
    errno = ENOTSUP;  // whether a program names it is known when it is asked to
    return -1;
  }
  const auto name = fmt::format("{}/.mtpgraft-{}-trial", directory, ::getpid());
  if (link_opened(trial.get(), {}, name.c_str()) == 0) {
    ::unlink(name.c_str());
  } else if (errno != ENOENT) {
    return -1;
  }
  return open_unnamed(directory, mode);
}

int rename_exclusively(const char* from, const char* to) {
  return ::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

int link_opened(int fd, const std::string& /*path*/, const char* name) {
  const auto opened = fmt::format("/proc/self/fd/{}", fd);
  return ::linkat(AT_FDCWD, opened.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

int clone_range(int in, int out, const CopyRange& range) {
  struct file_clone_range request {};
  request.src_fd = in;
  request.src_offset = range.source_offset;
  request.src_length = range.length;
  request.dest_offset = range.offset;
  return retry([&] { return ::ioctl(out, FICLONERANGE, &request); });
}

int reserve(int fd, std::uint64_t offset, std::uint64_t length) {
  return retry([&] { return ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(length)); });
}

bool copies_faster_in_kernel(int fd) {
  // Local file systems copy in the kernel through a pipe, by no means faster than with a buffer, and on Btrfs at half
  // the speed. Those of a network let the server copy.
  return is_on_network(fd);
}

std::int64_t copy_in_kernel(int in, int out, const CopyRange& range) {
  auto from = static_cast<off_t>(range.source_offset);
  auto to = static_cast<off_t>(range.offset);
  return retry([&] { return ::copy_file_range(in, &from, out, &to, static_cast<std::size_t>(range.length), 0); });
}

void start_reading(int fd, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) {
    return;  // which would mean: to the end of the file
  }
  ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_WILLNEED);
}

void start_writing(int fd, std::uint64_t offset, std::uint64_t length) {
  ::sync_file_range(fd, static_cast<off_t>(offset), static_cast<off_t>(length), SYNC_FILE_RANGE_WRITE);
}

void finish_writing(int fd, std::uint64_t offset, std::uint64_t length) {
  ::sync_file_range(fd, static_cast<off_t>(offset), static_cast<off_t>(length),
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

void drop_from_cache(int fd, std::uint64_t offset, std::uint64_t length) {
  ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
}

}  // namespace system
}  // namespace mtpgraft
