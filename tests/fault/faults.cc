// Loaded into the program by LD_PRELOAD, stands in front of the calls that src/io makes and lets the n-th of them go
// wrong. fault_test.py drives it by the environment:
//
//   FAULT_DIR=/some/dir   only calls on files in this directory count; /some/dir.names is an empty directory beside it,
//                         and when the fault happens, call and file are written to /some/dir.fault
//   FAULT=enospc:7        how, and which of the calls that can go wrong so (kModes)
//   FAULT_LACKS=WORDS     what the file system there cannot do: of "tmpfile link noreplace"
//
// A call that has no function here is not tried. Nothing is really synced; a power cut gives back what had not been,
// and ends the process.
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "power_cut.h"
#include "real_calls.h"

namespace mtpgraft::fault {
namespace {

// What a call can suffer; every call can fail with EIO.
enum : unsigned {
  kAny = 1,
  kReads = 2,
  kWrites = 4,
  kTakesSpace = 8,
  kInterruptible = 16,  // its manual page has EINTR
  kNames = 32,
  kSyncs = 64,
  kChanges = 128,  // a power cut before it is another one than after it
  kCopies = 256,
};

struct Mode {
  std::string_view name;
  unsigned calls;
  int number;  // the error; 0: fewer bytes than asked for
  std::optional<Kept> kept;
  bool lasts = false;  // for every call after it, too
};

constexpr auto kModes = std::to_array<Mode>({
    {"eio", kAny, EIO, {}},
    {"dead", kAny, EIO, {}, true},
    {"enospc", kTakesSpace, ENOSPC, {}},
    {"edquot", kTakesSpace, EDQUOT, {}},
    {"eperm", kNames, EPERM, {}},
    {"eintr", kInterruptible, EINTR, {}},
    {"short_read", kReads, 0, {}},
    {"short_write", kWrites, 0, {}},
    // Some kernels and file systems find out only after a few bytes that they cannot copy.
    {"copy_nothing", kCopies, 0, {}, true},
    {"copy_exdev", kCopies, EXDEV, {}, true},
    {"copy_unsupported", kCopies, EOPNOTSUPP, {}, true},
    {"sync", kSyncs, EIO, Kept::kNothing},  // what was to be synced is lost, and the power is cut at the end
    {"cut_none", kChanges, 0, Kept::kNothing},
    {"cut_last", kChanges, 0, Kept::kLastChange},
    {"cut_all", kChanges, 0, Kept::kAll},
});

class Faults {
 public:
  Faults() {
    const std::string fault = std::getenv("FAULT");
    const auto colon = fault.find(':');
    mode_ = std::ranges::find(kModes, fault.substr(0, colon), &Mode::name);
    left_ = std::stol(fault.substr(colon + 1));
    if (mode_->kept) {
      disk.emplace(directory + ".names");
    }
  }

  // Whether this call goes wrong.
  bool strikes(const char* call, unsigned kinds, const std::string& path) {
    if ((kinds & mode_->calls) == 0 || --left_ > 0 || (left_ < 0 && !mode_->lasts)) {
      return false;
    }
    if (left_ == 0) {
      tell(call, path);
      if (mode_->calls == kChanges) {
        disk->cut(*mode_->kept);
        ::kill(::getpid(), SIGKILL);
      }
    }
    return true;
  }

  // When the process ends by itself.
  void power_off() {
    if (disk) {
      disk->cut(*mode_->kept);
    }
  }

  [[nodiscard]] const Mode& mode() const { return *mode_; }

  [[nodiscard]] bool is_watched(const std::string& path) const {
    return path == directory || path.starts_with(directory + '/');
  }

  const std::string directory = std::getenv("FAULT_DIR");
  // Whether the file system of this path cannot do what the word says.
  [[nodiscard]] bool lacks(std::string_view word, const std::string& path) const {
    return is_watched(path) && lacks_.find(word) != std::string::npos;
  }

  std::mutex mutex;
  std::map<int, std::string> paths;  // of open files in the directory
  std::optional<Disk> disk;

 private:
  static std::string variable(const char* name) {
    const auto* const value = std::getenv(name);
    return value == nullptr ? "" : value;
  }

  void tell(const char* call, const std::string& path) const {
    const auto text = std::string(call) + ' ' + path.substr(directory.size());
    const int fd = REAL(open64)((directory + ".fault").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0666);
    (void)!::write(fd, text.data(), text.size());
    REAL(close)(fd);
  }

  const std::string lacks_ = variable("FAULT_LACKS");
  const Mode* mode_;
  long left_;
};

// Never destroyed: files are closed until the very end.
Faults& faults() {
  static auto* const instance = new Faults;
  return *instance;
}

std::string absolute(const char* path) {
  auto plain = std::filesystem::absolute(path).lexically_normal().string();
  return plain.size() > 1 && plain.ends_with('/') ? plain.substr(0, plain.size() - 1) : plain;
}

// A name in a directory that is open. Program and library ask for plain names so.
std::string path_at(int directory, const char* name) {
  const std::lock_guard lock(faults().mutex);
  const auto found = faults().paths.find(directory);
  return found == faults().paths.end() ? "" : found->second + '/' + name;
}

std::string path_of(int fd) {
  const std::lock_guard lock(faults().mutex);
  const auto found = faults().paths.find(fd);
  return found == faults().paths.end() ? "" : found->second;
}

// One call, from its beginning to its end; no other begins meanwhile.
class Call {
 public:
  Call(const char* name, unsigned kinds, const std::string& path)
      : lock_(faults().mutex), is_watched_(faults().is_watched(path)) {
    strikes_ = is_watched_ && faults().strikes(name, kAny | kinds, path);
  }

  [[nodiscard]] bool is_watched() const { return is_watched_; }
  [[nodiscard]] bool fails() const { return strikes_ && faults().mode().number != 0; }
  [[nodiscard]] int error() const { return faults().mode().number; }
  [[nodiscard]] std::size_t shorten(std::size_t length) const {
    if (is_watched_ && faults().mode().calls == kCopies) {
      // All calls before it are short, so that it is one in the middle of a range.
      return strikes_ ? 0 : std::min(length, length / 2 + 1);
    }
    return strikes_ ? length / 2 : length;
  }
  [[nodiscard]] Disk* disk() const { return is_watched_ && faults().disk ? &*faults().disk : nullptr; }

 private:
  std::unique_lock<std::mutex> lock_;
  bool is_watched_;
  bool strikes_ = false;
};

template <class Real>
auto run(const Call& call, Real real) -> decltype(real()) {
  if (call.fails()) {
    errno = call.error();
    return -1;
  }
  return real();
}

// A change of a file's content; `describe(result)` gives the Change.
template <class Real, class Describe>
auto change(const Call& call, int fd, Real real, Describe describe) -> decltype(real()) {
  const auto result = run(call, real);
  if (result >= 0 && call.disk() != nullptr) {
    call.disk()->changed(fd, describe(static_cast<std::uint64_t>(result)));
  }
  return result;
}

// Bytes that the system has put into a file by itself.
Change written_by_system(int fd, std::uint64_t offset, std::uint64_t length) {
  Change change{Change::Kind::kWrite, offset, length, std::vector<char>(length)};
  (void)!REAL(pread64)(fd, change.bytes.data(), length, static_cast<off64_t>(offset));
  return change;
}

// A change of names; each of the two may be empty.
template <class Real>
int change_names(const Call& call, const std::string& gone, const std::string& made, Real real) {
  if (call.fails()) {
    return run(call, real);
  }
  for (const auto& path : {gone, made}) {
    if (call.disk() != nullptr && !path.empty()) {
      call.disk()->hold_name(path);
    }
  }
  const int result = real();
  if (result >= 0 && call.disk() != nullptr) {
    call.disk()->name_changed(gone, made);
  }
  return result;
}

int open_file(const std::string& path, int flags, const std::function<int()>& really) {
  const bool is_unnamed = (flags & O_TMPFILE) == O_TMPFILE;
  const bool is_new = is_unnamed || (flags & O_CREAT) != 0;
  if (is_unnamed && faults().lacks("tmpfile", path)) {
    errno = EOPNOTSUPP;
    return -1;
  }
  const Call call("open", kInterruptible | (is_new ? kTakesSpace | kChanges : 0U), path);
  const int fd = is_new && !is_unnamed ? change_names(call, "", path, really) : run(call, really);
  if (fd >= 0 && call.is_watched()) {
    faults().paths[fd] = is_unnamed ? path + "/(unnamed)" : path;
    if (call.disk() != nullptr && (flags & O_ACCMODE) != O_RDONLY) {
      call.disk()->watch(fd);
    }
  }
  return fd;
}

__attribute__((destructor)) void power_off() { faults().power_off(); }

}  // namespace
}  // namespace mtpgraft::fault

using namespace mtpgraft::fault;  // NOLINT

extern "C" {

int open64(const char* name, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = va_arg(arguments, mode_t);
  va_end(arguments);
  return open_file(absolute(name), flags, [&] { return REAL(open64)(name, flags, mode); });
}

int openat64(int directory, const char* name, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = va_arg(arguments, mode_t);
  va_end(arguments);
  return open_file(path_at(directory, name), flags, [&] { return REAL(openat64)(directory, name, flags, mode); });
}

int fcntl64(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  auto* const argument = va_arg(arguments, void*);
  va_end(arguments);
  const auto really = [&] { return REAL(fcntl64)(fd, command, argument); };
  if (command != F_DUPFD_CLOEXEC) {
    return really();
  }
  const auto path = path_of(fd);
  const Call call("dup", 0, path);
  const int copy = run(call, really);
  if (copy >= 0 && call.is_watched()) {
    faults().paths[copy] = path;
    if (call.disk() != nullptr) {
      call.disk()->watch(copy);
    }
  }
  return copy;
}

FILE* fopen64(const char* name, const char* how) {
  const auto path = absolute(name);
  const Call call("open", 0, path);
  if (call.fails()) {
    errno = call.error();
    return nullptr;
  }
  auto* const file = REAL(fopen64)(name, how);
  if (file != nullptr && call.is_watched()) {
    faults().paths[::fileno(file)] = path;
  }
  return file;
}

int close(int fd) {
  const auto path = path_of(fd);
  const bool is_written = !path.empty() && (REAL(fcntl64)(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
  // Of a file that was only read nobody needs to know.
  const Call call("close", kInterruptible | kTakesSpace, is_written ? path : "");
  if (call.disk() != nullptr) {
    call.disk()->closing(fd);
  }
  faults().paths.erase(fd);
  const int result = REAL(close)(fd);
  return run(call, [&] { return result; });
}

ssize_t read(int fd, void* bytes, size_t length) {
  const Call call("read", kInterruptible | (length > 1 ? kReads : 0U), path_of(fd));
  return run(call, [&] { return REAL(read)(fd, bytes, call.shorten(length)); });
}

ssize_t pread64(int fd, void* bytes, size_t length, off64_t offset) {
  const Call call("pread", kInterruptible | (length > 1 ? kReads : 0U), path_of(fd));
  return run(call, [&] { return REAL(pread64)(fd, bytes, call.shorten(length), offset); });
}

ssize_t pwrite64(int fd, const void* bytes, size_t length, off64_t offset) {
  const Call call("pwrite", kInterruptible | kTakesSpace | kChanges | (length > 1 ? kWrites : 0U), path_of(fd));
  return change(
      call, fd, [&] { return REAL(pwrite64)(fd, bytes, call.shorten(length), offset); },
      [&](std::uint64_t written) {
        const auto* const first = static_cast<const char*>(bytes);
        return Change{Change::Kind::kWrite, static_cast<std::uint64_t>(offset), written, {first, first + written}};
      });
}

ssize_t copy_file_range(int in, off64_t* from, int out, off64_t* to, size_t length, unsigned flags) {
  const Call call("copy_file_range", kInterruptible | kTakesSpace | kChanges | kReads | kWrites | kCopies,
                  path_of(out));
  return change(
      call, out, [&] { return REAL(copy_file_range)(in, from, out, to, call.shorten(length), flags); },
      [&](std::uint64_t copied) { return written_by_system(out, static_cast<std::uint64_t>(*to) - copied, copied); });
}

int ftruncate64(int fd, off64_t size) noexcept {
  const Call call("ftruncate", kInterruptible | kTakesSpace | kChanges, path_of(fd));
  return change(
      call, fd, [&] { return REAL(ftruncate64)(fd, size); },
      [&](std::uint64_t) {
        return Change{Change::Kind::kResize, 0, static_cast<std::uint64_t>(size), {}};
      });
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  const Call call("fallocate", kInterruptible | kTakesSpace | kChanges, path_of(fd));
  const auto kind = (mode & FALLOC_FL_INSERT_RANGE) != 0     ? Change::Kind::kInsert
                    : (mode & FALLOC_FL_COLLAPSE_RANGE) != 0 ? Change::Kind::kCollapse
                                                             : Change::Kind::kPunch;
  const auto really = [&] { return REAL(fallocate64)(fd, mode, offset, length); };
  if (mode == 0) {
    return run(call, really);  // reserved storage reads as before
  }
  return change(call, fd, really, [&](std::uint64_t) {
    return Change{kind, static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length), {}};
  });
}

int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  auto* const argument = va_arg(arguments, void*);
  va_end(arguments);
  const auto really = [&] { return REAL(ioctl)(fd, request, argument); };
  if (request != FICLONERANGE) {
    return run(Call("ioctl", 0, path_of(fd)), really);
  }
  const auto& range = *static_cast<const struct file_clone_range*>(argument);
  return change(Call("clone", kInterruptible | kTakesSpace | kChanges, path_of(fd)), fd, really,
                [&](std::uint64_t) { return written_by_system(fd, range.dest_offset, range.src_length); });
}

int fsync(int fd) {
  const auto path = path_of(fd);
  const Call call("fsync", kInterruptible | kTakesSpace | kSyncs | kChanges, path);
  struct stat64 status {};
  REAL(fstat64)(fd, &status);
  const bool is_directory = S_ISDIR(status.st_mode);
  auto* const disk = call.disk();
  if (disk != nullptr && call.fails() && !is_directory) {
    disk->sync_failed(fd);
  }
  return run(call, [&] {
    if (disk != nullptr && is_directory) {
      disk->directory_synced(path);
    } else if (disk != nullptr) {
      disk->synced(fd);
    }
    return 0;
  });
}

int link(const char* from, const char* to) noexcept {
  const auto path = absolute(to);
  if (faults().lacks("link", path)) {
    errno = EPERM;
    return -1;
  }
  return change_names(Call("link", kNames | kTakesSpace | kChanges, path), "", path,
                      [&] { return REAL(link)(from, to); });
}

int linkat(int from_fd, const char* from, int to_fd, const char* to, int flags) noexcept {
  const auto path = absolute(to);
  if (faults().lacks("link", path)) {
    errno = EPERM;
    return -1;
  }
  return change_names(Call("link", kNames | kTakesSpace | kChanges, path), "", path,
                      [&] { return REAL(linkat)(from_fd, from, to_fd, to, flags); });
}

int symlink(const char* from, const char* to) noexcept {
  const auto path = absolute(to);
  return change_names(Call("symlink", kNames | kTakesSpace | kChanges, path), "", path,
                      [&] { return REAL(symlink)(from, to); });
}

int rename(const char* from, const char* to) noexcept {
  const auto path = absolute(to);
  return change_names(Call("rename", kNames | kTakesSpace | kChanges, path), absolute(from), path,
                      [&] { return REAL(rename)(from, to); });
}

int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) noexcept {
  const auto path = absolute(to);
  if (flags != 0 && faults().lacks("noreplace", path)) {
    errno = EINVAL;
    return -1;
  }
  return change_names(Call("renameat2", kNames | kTakesSpace | kChanges, path), absolute(from), path,
                      [&] { return REAL(renameat2)(from_directory, from, to_directory, to, flags); });
}

int unlink(const char* name) noexcept {
  const auto path = absolute(name);
  return change_names(Call("unlink", kNames | kChanges, path), path, "", [&] { return REAL(unlink)(name); });
}

int unlinkat(int directory, const char* name, int flags) noexcept {
  const auto path = path_at(directory, name);
  return change_names(Call("unlink", kNames | kChanges, path), path, "",
                      [&] { return REAL(unlinkat)(directory, name, flags); });
}

int access(const char* name, int how) noexcept {
  return run(Call("access", 0, absolute(name)), [&] { return REAL(access)(name, how); });
}

int stat(const char* name, struct stat* status) noexcept {
  return run(Call("stat", 0, absolute(name)), [&] { return REAL(stat)(name, status); });
}

int stat64(const char* name, struct stat64* status) noexcept {
  return run(Call("stat", 0, absolute(name)), [&] { return REAL(stat64)(name, status); });
}

int lstat(const char* name, struct stat* status) noexcept {
  return run(Call("lstat", 0, absolute(name)), [&] { return REAL(lstat)(name, status); });
}

int lstat64(const char* name, struct stat64* status) noexcept {
  return run(Call("lstat", 0, absolute(name)), [&] { return REAL(lstat64)(name, status); });
}

int fstatat64(int directory, const char* name, struct stat64* status, int flags) noexcept {
  return run(Call("fstatat", 0, path_at(directory, name)),
             [&] { return REAL(fstatat64)(directory, name, status, flags); });
}

int fstat64(int fd, struct stat64* status) noexcept {
  return run(Call("fstat", 0, path_of(fd)), [&] { return REAL(fstat64)(fd, status); });
}

int statvfs64(const char* name, struct statvfs64* status) noexcept {
  return run(Call("statvfs", kInterruptible, absolute(name)), [&] { return REAL(statvfs64)(name, status); });
}

int fstatfs64(int fd, struct statfs64* status) noexcept {
  return run(Call("fstatfs", kInterruptible, path_of(fd)), [&] { return REAL(fstatfs64)(fd, status); });
}

off64_t lseek64(int fd, off64_t offset, int from) noexcept {
  return run(Call("lseek", 0, path_of(fd)), [&] { return REAL(lseek64)(fd, offset, from); });
}

int posix_fadvise64(int fd, off64_t offset, off64_t length, int advice) noexcept {
  const Call call("posix_fadvise", 0, path_of(fd));
  return call.fails() ? call.error() : REAL(posix_fadvise64)(fd, offset, length, advice);
}

int sync_file_range(int fd, off64_t /*offset*/, off64_t /*length*/, unsigned /*flags*/) {
  return run(Call("sync_file_range", 0, path_of(fd)), [] { return 0; });
}

int fchown(int fd, uid_t owner, gid_t group) noexcept {
  return run(Call("fchown", 0, path_of(fd)), [&] { return REAL(fchown)(fd, owner, group); });
}

int fchmod(int fd, mode_t mode) noexcept {
  return run(Call("fchmod", 0, path_of(fd)), [&] { return REAL(fchmod)(fd, mode); });
}

ssize_t flistxattr(int fd, char* names, size_t length) noexcept {
  return run(Call("flistxattr", 0, path_of(fd)), [&] { return REAL(flistxattr)(fd, names, length); });
}

ssize_t fgetxattr(int fd, const char* name, void* value, size_t length) noexcept {
  return run(Call("fgetxattr", 0, path_of(fd)), [&] { return REAL(fgetxattr)(fd, name, value, length); });
}

int fsetxattr(int fd, const char* name, const void* value, size_t length, int flags) noexcept {
  return run(Call("fsetxattr", kTakesSpace, path_of(fd)),
             [&] { return REAL(fsetxattr)(fd, name, value, length, flags); });
}
}
