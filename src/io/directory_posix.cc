#include "io/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "io/io_posix.h"
#include "io/readable_file_posix.h"
#include "io/stream.h"
#include "io/system.h"
#include "util/environment.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

constexpr std::chrono::milliseconds kLockPause(20);

class PosixDirectory final : public Directory {
 public:
  PosixDirectory(std::string path, FileDescriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  [[nodiscard]] std::vector<std::string> names() const override {
    std::vector<std::string> names;
    // Another descriptor, with a position of its own, as closedir() closes it.
    const int fd = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const stream = fd >= 0 ? ::fdopendir(fd) : nullptr;
    if (stream == nullptr) {
      return names;
    }
    while (const auto* entry = ::readdir(stream)) {
      names.emplace_back(entry->d_name);
    }
    ::closedir(stream);
    return names;
  }

  [[nodiscard]] std::optional<Entry> find(const std::string& name) const override {
    struct stat status {};
    if (::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode)) {
      return std::nullopt;
    }
    return Entry{static_cast<std::uint64_t>(status.st_size), status.st_mtime};
  }

  Result<std::unique_ptr<ReadableFile>> open(const std::string& name) const override {
    // O_NONBLOCK: opening a pipe must not hang.
    FileDescriptor fd(
        retry([&] { return ::openat(fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); }));
    const auto path = fmt::format("{}/{}", path_, name);
    if (!fd.valid()) {
      // ELOOP: a symbolic link.
      return errno == ENOENT || errno == ELOOP ? Result<std::unique_ptr<ReadableFile>>(nullptr)
                                               : io_error(path, "open");
    }
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) {
      return io_error(path, "open");
    }
    if (!S_ISREG(status.st_mode)) {
      return std::unique_ptr<ReadableFile>();
    }
    return std::unique_ptr<ReadableFile>(std::make_unique<PosixReadableFile>(path, std::move(fd), status));
  }

  Status remove(const std::string& name) const override {
    return ::unlinkat(fd_.get(), name.c_str(), 0) == 0 || errno == ENOENT
               ? ok_status()
               : Status(io_error(fmt::format("{}/{}", path_, name), "remove"));
  }

  void touch(const std::string& name) const override {
    ::utimensat(fd_.get(), name.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  }

 private:
  std::string path_;
  FileDescriptor fd_;
};

class PosixTemporaryFile final : public TemporaryFile {
 public:
  PosixTemporaryFile(const std::string& directory, FileDescriptor fd) : file_(directory, std::move(fd), {}) {}

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    return write_fully(file_.descriptor(), file_.path(), offset, bytes);
  }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override { return file_.read_at(offset, out); }

 private:
  PosixReadableFile file_;  // its path is the directory's, for messages
};

FileDescriptor open_with(const std::string& path, int flags) {
  return FileDescriptor(retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags); }));
}

// By errno if it is not open.
Result<std::unique_ptr<Directory>> opened(const std::string& path, std::string_view what, FileDescriptor fd) {
  if (!fd.valid()) {
    return errno == ENOENT ? Result<std::unique_ptr<Directory>>(nullptr) : io_error(path, fmt::format("open {}", what));
  }
  return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(path, std::move(fd)));
}

std::string absolute_variable(const char* name) {
  auto value = environment(name);
  return value.starts_with('/') ? value : "";  // relative ones are not valid, by the rules for these
}

}  // namespace

Result<std::unique_ptr<Directory>> open_directory(const std::string& path, std::string_view what) {
  return opened(path, what, open_with(path, 0));
}

Result<std::unique_ptr<Directory>> open_own_directory(const std::string& path) {
  auto fd = open_with(path, O_NOFOLLOW);
  struct stat status {};
  const auto user = ::geteuid();
  if (fd.valid() && user != 0 && (::fstat(fd.get(), &status) != 0 || status.st_uid != user)) {
    return io_error(path, "open the directory", EPERM);
  }
  return opened(path, "the directory", std::move(fd));
}

Status make_private_directory(const std::string& path) {
  return ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST ? ok_status()
                                                             : Status(io_error(path, "make the directory"));
}

void remove_directory(const std::string& path) { ::rmdir(path.c_str()); }

std::string user_cache_directory() {
  auto cache = absolute_variable("XDG_CACHE_HOME");
  if (cache.empty()) {
    const auto home = absolute_variable("HOME");
    cache = home.empty() ? "" : home + "/.cache";
  }
  return cache;
}

std::string temporary_directory() {
  auto directory = environment("TMPDIR");
  return directory.empty() ? "/var/tmp" : directory;
}

FileDescriptor open_temporary(const std::string& directory) {
  FileDescriptor fd(system::open_unnamed(directory, 0600));
  if (!fd.valid()) {
    auto name = directory + "/mtpgraft-XXXXXX";
    fd = FileDescriptor(::mkostemp(name.data(), O_CLOEXEC));
    if (fd.valid()) {
      ::unlink(name.c_str());
    }
  }
  return fd;
}

Result<std::unique_ptr<TemporaryFile>> make_temporary_file() {
  const auto directory = temporary_directory();
  auto fd = open_temporary(directory);
  if (!fd.valid()) {
    return io_error(directory, "make a temporary file");
  }
  return std::unique_ptr<TemporaryFile>(std::make_unique<PosixTemporaryFile>(directory, std::move(fd)));
}

Result<std::shared_ptr<void>> lock_directory_of(const std::string& path, const Progress& progress) {
  auto fd = open_with(parent_of(path), 0);
  // One may make files in a directory that one may not read.
  if (!fd.valid() && errno != EACCES) {
    return io_error(path, "lock the directory");
  }
  // Waiting in flock() would not hear of a signal, or would have to guess which one it was.
  while (retry([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0 && errno == EWOULDBLOCK) {
    MTPGRAFT_CHECK(report_progress(progress, 0));
    std::this_thread::sleep_for(kLockPause);
  }
  return std::shared_ptr<void>(std::make_shared<FileDescriptor>(std::move(fd)));
}

}  // namespace mtpgraft
