#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "io/file_descriptor.h"
#include "io/stream.h"
#include "mtpgraft/file.h"
#include "util/checked.h"

namespace mtpgraft {
namespace {

Error io_error(const std::string& path, std::string_view action, int number = errno) {
  Error error{ErrorCode::kIo, fmt::format("cannot {}: {}", action, std::generic_category().message(number)), path};
  if (number == ENOSPC || number == EDQUOT) {
    error.hint = "free some space, or write to another disk with -o";
  }
  return error;
}

Error output_exists(const std::string& path) {
  return {ErrorCode::kRefused, "the output exists", path, {}, "use --force to replace it, or -o for another name"};
}

// Retries what a signal interrupted.
template <class Call>
auto retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

std::string parent_of(const std::string& path) {
  auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

// Calls `make(name)` with hidden names beside `path` until one is free; the name is short, as the longest allowed
// output name leaves no room for more. Returns what `make` does: negative with errno set if it failed.
template <class Make>
int make_hidden(const std::string& path, std::string& name, Make make) {
  int result = -1;
  for (int attempt = 0; attempt < 100; ++attempt) {
    name = fmt::format("{}/.mtpgraft-{}-{}", parent_of(path), ::getpid(), attempt);
    result = make(name.c_str());
    if (result >= 0 || errno != EEXIST) {
      break;
    }
  }
  return result;
}

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(std::string path, FileDescriptor fd, const struct stat& status)
      : path_(std::move(path)), fd_(std::move(fd)), status_(status) {}

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] std::uint64_t size() const override { return static_cast<std::uint64_t>(status_.st_size); }
  [[nodiscard]] std::uint64_t stored_bytes() const override {
    return static_cast<std::uint64_t>(status_.st_blocks) * 512;
  }
  [[nodiscard]] int descriptor() const { return fd_.get(); }
  [[nodiscard]] const struct stat& status() const { return status_; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    for (std::size_t done = 0; done < out.size();) {
      const auto got = retry(
          [&] { return ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done)); });
      if (got < 0) {
        auto error = io_error(path_, "read");
        error.offset = offset + done;
        return error;
      }
      if (got == 0) {
        return Error{ErrorCode::kIo, "the file ends earlier than when it was opened", path_, offset + done,
                     "another program is changing it; try again when it is done"};
      }
      done += static_cast<std::size_t>(got);
    }
    return ok_status();
  }

  [[nodiscard]] Status check_unchanged() const override {
    struct stat now {};
    if (::fstat(fd_.get(), &now) != 0) {
      return io_error(path_, "look at the file");
    }
    if (now.st_size != status_.st_size || now.st_mtim.tv_sec != status_.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != status_.st_mtim.tv_nsec) {
      return Error{ErrorCode::kIo,
                   "the file changed while it was being read",
                   path_,
                   {},
                   "another program is writing to it; try again when it is done"};
    }
    return ok_status();
  }

 private:
  std::string path_;
  FileDescriptor fd_;
  struct stat status_;
};

// Errors that mean "this pair of files cannot be copied in the kernel", as opposed to "the copy failed".
bool is_unsupported(int number) {
  return number == ENOSYS || number == EOPNOTSUPP || number == EXDEV || number == EINVAL || number == EPERM ||
         number == EBADF || number == ETXTBSY;
}

class PosixStagedFile final : public StagedFile {
 public:
  // With an empty `staged_path` the file has no name yet (O_TMPFILE).
  PosixStagedFile(std::string path, std::string staged_path, FileDescriptor fd, CopyMethod method)
      : path_(std::move(path)), staged_path_(std::move(staged_path)), fd_(std::move(fd)), method_(method) {}

  PosixStagedFile(const PosixStagedFile&) = delete;
  PosixStagedFile& operator=(const PosixStagedFile&) = delete;

  ~PosixStagedFile() override {
    if (!staged_path_.empty()) {
      ::unlink(staged_path_.c_str());
    }
  }

  Status resize(std::uint64_t size) {
    return ::ftruncate(fd_.get(), static_cast<off_t>(size)) == 0 ? ok_status() : Status(io_error(path_, "create"));
  }

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    for (std::size_t done = 0; done < bytes.size();) {
      const auto put = retry([&] {
        return ::pwrite(fd_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
      });
      if (put < 0) {
        return io_error(path_, "write");
      }
      done += static_cast<std::size_t>(put);
    }
    return ok_status();
  }

  Status copy_from(const ReadableFile& source, std::uint64_t source_offset, std::uint64_t offset, std::uint64_t length,
                   const Progress& progress) override {
    const auto* posix = dynamic_cast<const PosixReadableFile*>(&source);
    if (posix == nullptr) {
      return StagedFile::copy_from(source, source_offset, offset, length, progress);
    }
    if (!range_fits(source_offset, length, source.size())) {
      return Error{ErrorCode::kIo, fmt::format("has no bytes {}-{}", source_offset, source_offset + length),
                   source.path()};
    }
    // Holes stay holes: the staged file reads as zeros where nothing is written.
    const auto end = source_offset + length;
    for (auto at = source_offset; at < end;) {
      const auto data = find_data(posix->descriptor(), at, end);
      MTPGRAFT_CHECK(advance(progress, data.from - at));
      MTPGRAFT_CHECK(copy_data(*posix, data.from, offset + (data.from - source_offset), data.to - data.from, progress));
      at = data.to;
    }
    return ok_status();
  }

  Status commit(Overwrite overwrite, Durability durability) override {
    if (durability == Durability::kSync && ::fsync(fd_.get()) != 0) {
      return io_error(path_, "write to storage");
    }
    MTPGRAFT_CHECK(give_name(overwrite));
    // A network file system may report a failed write only here.
    if (fd_.close_checked() != 0) {
      return io_error(path_, "close");
    }
    if (durability == Durability::kSync) {
      const FileDescriptor directory(::open(parent_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!directory.valid() || (::fsync(directory.get()) != 0 && errno != EINVAL)) {
        return io_error(path_, "write the directory to storage");
      }
    }
    return ok_status();
  }

 private:
  struct Range {
    std::uint64_t from;
    std::uint64_t to;
  };

  // The next range that holds data in [at, end); empty at `end` if there is none.
  static Range find_data(int fd, std::uint64_t at, std::uint64_t end) {
    const auto from = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (from < 0) {
      // ENXIO: only a hole is left. Anything else: the file system does not know holes.
      return errno == ENXIO ? Range{end, end} : Range{at, end};
    }
    const auto to = ::lseek(fd, from, SEEK_HOLE);
    const auto clamp = [&](off_t value) { return std::clamp(static_cast<std::uint64_t>(value), at, end); };
    return {clamp(from), to < 0 ? end : clamp(to)};
  }

  Status copy_data(const PosixReadableFile& source, std::uint64_t source_offset, std::uint64_t offset,
                   std::uint64_t length, const Progress& progress) {
    constexpr std::uint64_t kStepBytes = std::uint64_t{64} << 20;
    std::uint64_t done = 0;
    while (method_ == CopyMethod::kAuto && done < length) {
      auto from = static_cast<off_t>(source_offset + done);
      auto to = static_cast<off_t>(offset + done);
      const auto step = static_cast<std::size_t>(std::min(kStepBytes, length - done));
      const auto got = retry([&] { return ::copy_file_range(source.descriptor(), &from, fd_.get(), &to, step, 0); });
      if (got < 0 && !is_unsupported(errno)) {
        return io_error(path_, fmt::format("copy from '{}'", source.path()));
      }
      if (got <= 0) {
        // Unsupported, or no progress: some file systems return 0 where plain reads find data.
        break;
      }
      done += static_cast<std::uint64_t>(got);
      MTPGRAFT_CHECK(advance(progress, static_cast<std::uint64_t>(got)));
    }
    return done == length ? ok_status()
                          : StagedFile::copy_from(source, source_offset + done, offset + done, length - done, progress);
  }

  Status give_name(Overwrite overwrite) {
    if (staged_path_.empty()) {
      const auto descriptor_path = fmt::format("/proc/self/fd/{}", fd_.get());
      const auto link_to = [&](const char* name) {
        return ::linkat(AT_FDCWD, descriptor_path.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW);
      };
      if (overwrite == Overwrite::kNo) {
        return link_to(path_.c_str()) == 0 ? ok_status() : naming_error();
      }
      // linkat cannot replace; give it a private name first and rename that.
      std::string name;
      if (make_hidden(path_, name, [&](const char* hidden) { return link_to(hidden); }) != 0) {
        return naming_error();
      }
      staged_path_ = std::move(name);
    }
    if (overwrite == Overwrite::kNo) {
      // link, not rename: it fails where the name is taken. The destructor removes the staged name.
      return ::link(staged_path_.c_str(), path_.c_str()) == 0 ? ok_status() : naming_error();
    }
    if (::rename(staged_path_.c_str(), path_.c_str()) != 0) {
      return naming_error();
    }
    staged_path_.clear();
    return ok_status();
  }

  Error naming_error() const {
    if (errno == EEXIST) {
      return output_exists(path_);
    }
    return io_error(path_, "create");
  }

  std::string path_;
  std::string staged_path_;
  FileDescriptor fd_;
  CopyMethod method_;
};

class PosixFileSystem final : public FileSystem {
 public:
  explicit PosixFileSystem(CopyMethod method) : method_(method) {}

  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override {
    // O_NONBLOCK: opening a pipe must not hang; regular files do not notice.
    FileDescriptor fd(retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
    struct stat status {};
    if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
      return io_error(path, "open");
    }
    if (!S_ISREG(status.st_mode)) {
      return Error{
          ErrorCode::kIo,
          S_ISDIR(status.st_mode) ? "is a directory" : "is not a regular file",
          path,
          {},
          S_ISDIR(status.st_mode) ? "name a .gguf file in it" : "GGUF files are read at many offsets; give a file"};
    }
    return std::unique_ptr<ReadableFile>(std::make_unique<PosixReadableFile>(path, std::move(fd), status));
  }

  Result<std::unique_ptr<StagedFile>> stage(const std::string& path, std::uint64_t size) override {
    std::string staged_path;
    FileDescriptor fd;
    if (::access("/proc/self/fd", X_OK) == 0) {
      fd = FileDescriptor(::open(parent_of(path).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666));
    }
    if (!fd.valid()) {
      fd = FileDescriptor(make_hidden(path, staged_path, [](const char* hidden) {
        return ::open(hidden, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
      }));
      if (!fd.valid()) {
        return io_error(path, "create");
      }
    }
    auto staged = std::make_unique<PosixStagedFile>(path, std::move(staged_path), std::move(fd), method_);
    MTPGRAFT_CHECK(staged->resize(size));
    return std::unique_ptr<StagedFile>(std::move(staged));
  }

  Status check_output(const std::string& path, std::span<const ReadableFile* const> inputs,
                      Overwrite overwrite) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      if (errno != ENOENT) {
        return io_error(path, "look at the output");
      }
      if (::lstat(path.c_str(), &status) == 0 && overwrite == Overwrite::kNo) {
        return output_exists(path);  // a symbolic link to nothing
      }
      if (::stat(parent_of(path).c_str(), &status) != 0) {
        return Error{ErrorCode::kIo,
                     fmt::format("the directory '{}' does not exist", parent_of(path)),
                     path,
                     {},
                     "make it first, or give another name with -o"};
      }
      return ok_status();
    }
    for (const auto* input : inputs) {
      const auto* posix = dynamic_cast<const PosixReadableFile*>(input);
      if (posix != nullptr && same_file(posix->status(), status)) {
        return Error{ErrorCode::kRefused,
                     fmt::format("the output is the input '{}'", input->path()),
                     path,
                     {},
                     "inputs are never written; give another name with -o"};
      }
    }
    if (S_ISDIR(status.st_mode)) {
      return Error{ErrorCode::kRefused, "the output is a directory", path, {}, "give a file name with -o"};
    }
    if (overwrite == Overwrite::kNo) {
      return output_exists(path);
    }
    if (!S_ISREG(status.st_mode)) {
      return Error{ErrorCode::kRefused, "the output exists and is not a regular file", path, {}, {}};
    }
    return ok_status();
  }

  Result<std::uint64_t> free_bytes(const std::string& path) override {
    struct statvfs status {};
    if (::statvfs(parent_of(path).c_str(), &status) != 0) {
      return io_error(parent_of(path), "look at the output's directory");
    }
    return std::uint64_t{status.f_bavail} * status.f_frsize;
  }

 private:
  CopyMethod method_;
};

}  // namespace

std::unique_ptr<FileSystem> make_posix_file_system(CopyMethod method) {
  return std::make_unique<PosixFileSystem>(method);
}

}  // namespace mtpgraft
