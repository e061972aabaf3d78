#include "io/staged_file_posix.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <system_error>

#include "io/extents.h"
#include "io/io_posix.h"
#include "io/stream.h"
#include "io/system.h"
#include "util/checked.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

// Reading ahead and writing back are started by this much at a time, while the copying goes on.
constexpr std::uint64_t kWindowBytes = std::uint64_t{32} << 20;

// No hidden name is used twice: name_staged() may still remove the one that another thread would be given.
std::atomic<unsigned> hidden_names = 0;

// Calls `make(name)` with hidden names beside `path` until one is free; the name is short, as the longest allowed
// output name leaves no room for more. Returns what `make` does: negative with errno set if it failed.
template <class Make>
int make_hidden(const std::string& path, std::string& name, Make make) {
  int result = -1;
  for (int attempt = 0; attempt < 100; ++attempt) {
    name = fmt::format("{}/.mtpgraft-{}-{}", parent_of(path), ::getpid(), hidden_names++);
    result = make(name.c_str());
    if (result >= 0 || errno != EEXIST) {
      break;
    }
  }
  return result;
}

// Whatever the umask says. Some file systems have permissions of their own, which need not be changed.
void let_owner_write(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) == 0 && (status.st_mode & S_IWUSR) == 0) {
    ::fchmod(fd, (status.st_mode | S_IWUSR) & 07777);
  }
}

// Whether source and copy together would push everything else out of memory.
bool exceeds_page_cache(std::uint64_t length) {
  const auto memory_bytes =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return length > memory_bytes / 2;
}

// Has the system read ahead of a copy and write behind it, so that both disks are busy and the final fsync finds little
// left to do.
class Pacer {
 public:
  Pacer(int in, int out, const CopyRange& range)
      : in_(in), out_(out), range_(range), drops_pages_(exceeds_page_cache(range.length)) {
    system::start_reading(in, range.source_offset, window(0).length);
    system::start_reading(in, window(kWindowBytes).source_offset, window(kWindowBytes).length);
  }

  // To be told of every few bytes copied, in order.
  void copied(std::uint64_t bytes) {
    done_ += bytes;
    while (started_ < done_ && (done_ - started_ >= kWindowBytes || done_ == range_.length)) {
      const auto written = window(started_);
      system::start_writing(out_, written.offset, written.length);
      if (drops_pages_ && started_ > 0) {
        const auto before = window(started_ - kWindowBytes);
        system::finish_writing(out_, before.offset, before.length);
        system::drop_from_cache(out_, before.offset, before.length);
        system::drop_from_cache(in_, before.source_offset, before.length);
      }
      started_ += written.length;
      const auto next = window(started_ + kWindowBytes);
      system::start_reading(in_, next.source_offset, next.length);
    }
  }

 private:
  [[nodiscard]] CopyRange window(std::uint64_t from) const {
    const auto begin = std::min(from, range_.length);
    return range_.part(begin, std::min(kWindowBytes, range_.length - begin));
  }

  int in_;
  int out_;
  CopyRange range_;
  bool drops_pages_;
  std::uint64_t done_ = 0;
  std::uint64_t started_ = 0;  // up to here writing has been started
};

Error naming_error(const std::string& path) {
  return errno == EEXIST ? output_exists(path) : output_error(path, "create");
}

// Whether the error says that files cannot be named in this way here. EACCES: a rule for programs, not for the
// directory, which a file was made in. EMLINK: the file system allows one name.
bool is_other_way_worth_trying(int number) { return is_unsupported(number) || number == EACCES || number == EMLINK; }

// Takes the name first, with an empty file that is there for a moment, and then renames over it.
int rename_over_own(const char* from, const char* to) {
  const FileDescriptor own(retry([&] { return ::open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600); }));
  if (!own.valid()) {
    return -1;
  }
  const auto result = ::rename(from, to);
  if (result != 0) {
    const auto number = errno;
    ::unlink(to);
    errno = number;
  }
  return result;
}

// Renames a file unless there is one of the new name. Linking is tried first, as it is without a race on network file
// systems as well.
int rename_to_free_name(const char* from, const char* to) {
  if (::link(from, to) == 0) {
    if (::unlink(from) == 0) {
      return 0;
    }
    const auto number = errno;
    ::unlink(to);
    errno = number;
    return -1;
  }
  if (!is_other_way_worth_trying(errno)) {
    return -1;
  }
  const auto result = system::rename_exclusively(from, to);
  return result != 0 && is_other_way_worth_trying(errno) ? rename_over_own(from, to) : result;
}

// Gives what has the name `staged_path` the name `path` instead.
Status name_staged(const std::string& staged_path, const std::string& path, Overwrite overwrite) {
  const auto* const from = staged_path.c_str();
  const auto result =
      overwrite == Overwrite::kNo ? rename_to_free_name(from, path.c_str()) : ::rename(from, path.c_str());
  if (result != 0) {
    return naming_error(path);
  }
  // Renaming leaves it where both are names of one file.
  if (overwrite == Overwrite::kYes && ::unlink(from) != 0 && errno != ENOENT) {
    return io_error(path, fmt::format("remove its other name '{}'", staged_path));
  }
  return ok_status();
}

// Gives `path` to what `link_to(name)` links.
template <class Link>
Status name_linked(const std::string& path, Overwrite overwrite, Link link_to) {
  if (overwrite == Overwrite::kNo) {
    return link_to(path.c_str()) == 0 ? ok_status() : Status(naming_error(path));
  }
  // A link cannot replace; it gets a private name first, and that is renamed.
  std::string staged_path;
  if (make_hidden(path, staged_path, link_to) != 0) {
    return naming_error(path);
  }
  auto status = name_staged(staged_path, path, overwrite);
  if (!status.ok()) {
    ::unlink(staged_path.c_str());
  }
  return status;
}

// What comes after naming. If it fails, a name that nothing had before is taken away again.
Status finish_naming(const std::string& path, Overwrite overwrite, Durability durability, int close_result = 0) {
  // A network file system may report a failed write only when the file is closed.
  auto status = close_result == 0 ? ok_status() : Status(io_error(path, "close"));
  if (status.ok() && durability == Durability::kSync) {
    status = sync_directory_of(path);
  }
  if (!status.ok() && overwrite == Overwrite::kNo) {
    ::unlink(path.c_str());
  } else if (!status.ok()) {
    status.error().hint = "the new file has its name already, but may not outlast a power cut";
  }
  return status;
}

}  // namespace

Error output_exists(const std::string& path) {
  return {
      .code = ErrorCode::kRefused, .message = "the output exists", .path = path, .remedy = Remedy::kOverwriteOutput};
}

Result<std::unique_ptr<PosixStagedFile>> PosixStagedFile::create(const std::string& path, std::uint64_t size,
                                                                 Permissions permissions) {
  const auto mode = static_cast<mode_t>(permissions | S_IWUSR);
  std::string staged_path;
  FileDescriptor fd(system::open_nameable(parent_of(path), mode));
  if (!fd.valid() && errno != EIO && errno != ENOSPC && errno != EDQUOT) {
    fd = FileDescriptor(make_hidden(path, staged_path, [mode](const char* hidden) {
      return retry([&] { return ::open(hidden, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode); });
    }));
  }
  if (!fd.valid()) {
    return output_error(path, "create");
  }
  let_owner_write(fd.get());
  std::unique_ptr<PosixStagedFile> staged(new PosixStagedFile(path, std::move(staged_path), std::move(fd)));
  if (retry([&] { return ::ftruncate(staged->fd_.get(), static_cast<off_t>(size)); }) != 0) {
    return output_error(path, "create");
  }
  return staged;
}

PosixStagedFile::~PosixStagedFile() {
  if (!staged_path_.empty()) {
    // First, as some file systems keep an open file under yet another name.
    (void)fd_.close_checked();
    ::unlink(staged_path_.c_str());
  }
}

Status PosixStagedFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  return write_fully(fd_.get(), path_, offset, bytes);
}

Result<std::optional<std::string>> PosixStagedFile::clone_from(const ReadableFile& source, const CopyRange& range) {
  const auto* posix = dynamic_cast<const PosixReadableFile*>(&source);
  if (posix == nullptr) {
    return StagedFile::clone_from(source, range);
  }
  if (system::clone_range(posix->descriptor(), fd_.get(), range) == 0) {
    return std::optional<std::string>();
  }
  const auto number = errno;
  if (!is_unsupported(number)) {
    return io_error(path_, fmt::format("clone from '{}'", source.path()), number);
  }
  if (number == EXDEV) {
    return std::optional<std::string>("the output is on another file system");
  }
  if (number == EOPNOTSUPP || number == ENOTTY || number == ENOSYS) {
    return std::optional<std::string>("the file system cannot share blocks between files");
  }
  if (auto reason = large_blocks(fd_.get()); number == EINVAL && !reason.empty()) {
    return std::optional<std::string>(std::move(reason));
  }
  return std::optional<std::string>(
      fmt::format("the file system refuses it: {}", std::generic_category().message(number)));
}

Status PosixStagedFile::reserve(const ReadableFile& source, const CopyRange& range) {
  const auto* posix = dynamic_cast<const PosixReadableFile*>(&source);
  const auto end = range.source_offset + range.length;
  for (auto at = range.source_offset; at < end;) {
    const auto data = posix != nullptr ? find_data(posix->descriptor(), at, end) : ByteRange{at, end - at};
    if (data.length > 0) {
      const auto offset = range.offset + (data.offset - range.source_offset);
      if (system::reserve(fd_.get(), offset, data.length) != 0) {
        return is_unsupported(errno) ? ok_status() : Status(io_error(path_, "reserve space for the output"));
      }
    }
    at = data.offset + data.length;
  }
  return ok_status();
}

Result<CopyCounts> PosixStagedFile::copy_from(const ReadableFile& source, const CopyRange& range,
                                              const CopyOptions& options, const Progress& progress) {
  const auto* posix = dynamic_cast<const PosixReadableFile*>(&source);
  if (posix == nullptr) {
    return StagedFile::copy_from(source, range, options, progress);
  }
  if (!range_fits(range.source_offset, range.length, source.size())) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("has no bytes {}-{}", range.source_offset, range.source_offset + range.length),
                 .path = source.path()};
  }
  // Holes stay holes: the staged file reads as zeros where nothing is written.
  CopyCounts counts;
  const auto end = range.source_offset + range.length;
  for (auto at = range.source_offset; at < end;) {
    const auto data = find_data(posix->descriptor(), at, end);
    const auto hole_bytes = data.offset - at;
    show_zeros(options.observe, hole_bytes);
    MTPGRAFT_CHECK(report_progress(progress, hole_bytes));
    MTPGRAFT_TRY(const auto copied,
                 copy_data(*posix, range.part(data.offset - range.source_offset, data.length), options, progress));
    counts.holes += hole_bytes;
    counts += copied;
    at = data.offset + data.length;
  }
  return counts;
}

Result<CopyCounts> PosixStagedFile::copy_data(const PosixReadableFile& source, const CopyRange& range,
                                              const CopyOptions& options, const Progress& progress) {
  const auto in = source.descriptor();
  const auto out = fd_.get();
  bool try_kernel =
      !options.observe && (options.method == CopyMethod::kKernel ||
                           (options.method != CopyMethod::kBuffered && system::copies_faster_in_kernel(out)));
  Pacer pacer(in, out, range);
  const auto paced_progress = [&](std::uint64_t bytes) {
    pacer.copied(bytes);
    return !progress || progress(bytes);
  };
  CopyCounts counts;
  while (try_kernel && counts.in_kernel < range.length) {
    const auto window = range.part(counts.in_kernel, std::min(kWindowBytes, range.length - counts.in_kernel));
    const auto got = system::copy_in_kernel(in, out, window);
    if (got < 0 && !is_unsupported(errno)) {
      return io_error(path_, fmt::format("copy from '{}'", source.path()));
    }
    if (got <= 0) {
      // Unsupported, or no progress: some file systems return 0 where plain reads find data.
      try_kernel = false;
    } else {
      counts.in_kernel += static_cast<std::uint64_t>(got);
      MTPGRAFT_CHECK(report_progress(paced_progress, static_cast<std::uint64_t>(got)));
    }
  }
  const auto rest = range.part(counts.in_kernel, range.length - counts.in_kernel);
  MTPGRAFT_TRY(const auto buffered, StagedFile::copy_from(source, rest, options, paced_progress));
  counts += buffered;
  return counts;
}

Result<std::uint64_t> PosixStagedFile::commit(Overwrite overwrite, Durability durability) {
  if (durability == Durability::kSync) {
    MTPGRAFT_CHECK(sync_file(fd_.get(), path_));
  }
  const auto allocated = unshared_bytes(fd_.get());
  MTPGRAFT_CHECK(give_name(overwrite));
  MTPGRAFT_CHECK(finish_naming(path_, overwrite, durability, fd_.close_checked()));
  return allocated;
}

Status PosixStagedFile::give_name(Overwrite overwrite) {
  if (staged_path_.empty()) {
    return name_linked(path_, overwrite, [&](const char* name) { return system::link_opened(fd_.get(), {}, name); });
  }
  MTPGRAFT_CHECK(name_staged(staged_path_, path_, overwrite));
  staged_path_.clear();
  return ok_status();
}

Result<std::unique_ptr<PosixStagedLink>> PosixStagedLink::create(const std::string& path, const PosixReadableFile& file,
                                                                 LinkMethod method) {
  std::unique_ptr<PosixStagedLink> staged(new PosixStagedLink(path, file, method));
  // Only tried: nothing is left if the program is killed before it commits.
  std::string hidden;
  if (make_hidden(path, hidden, [&](const char* name) { return staged->link_to(name); }) != 0) {
    return io_error(path, fmt::format("{} '{}'", method == LinkMethod::kHard ? "hard-link" : "link to", file.path()));
  }
  if (::unlink(hidden.c_str()) != 0) {
    return io_error(path, fmt::format("remove the link '{}' again", hidden));
  }
  return staged;
}

int PosixStagedLink::link_to(const char* name) const {
  if (method_ == LinkMethod::kHard) {
    return system::link_opened(file_.descriptor(), file_.path(), name);
  }
  const auto source = real_path(file_.path());
  const bool is_beside = parent_of(source) == real_path(parent_of(path_));
  return ::symlink(is_beside ? source.c_str() + source.rfind('/') + 1 : source.c_str(), name);
}

Status PosixStagedLink::write_at(std::uint64_t /*offset*/, std::span<const std::byte> /*bytes*/) {
  return Error{.code = ErrorCode::kIo, .message = "is a link, which is not written", .path = path_};
}

Result<std::uint64_t> PosixStagedLink::commit(Overwrite overwrite, Durability durability) {
  MTPGRAFT_CHECK(name_linked(path_, overwrite, [this](const char* name) { return link_to(name); }));
  MTPGRAFT_CHECK(finish_naming(path_, overwrite, durability));
  return std::uint64_t{0};
}

}  // namespace mtpgraft
