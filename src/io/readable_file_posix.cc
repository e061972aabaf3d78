#include "io/readable_file_posix.h"

#include <fcntl.h>
#include <unistd.h>

#include "io/extents.h"
#include "io/io_posix.h"
#include "io/system.h"

namespace mtpgraft {
namespace {

// By errno.
Error cannot_open(const std::string& path) {
  if (errno == EWOULDBLOCK) {
    return other_program(ErrorCode::kRefused, "another program is changing the file", path);
  }
  auto error = input_error(path, "open");
  if (is_remote(path)) {
    error.hint = "only donors, and what is inspected, can be on a server: download the file, and name that";
  }
  return error;
}

}  // namespace

Result<std::unique_ptr<PosixReadableFile>> PosixReadableFile::open(const std::string& path) {
  // O_NONBLOCK: opening a pipe must not hang; regular files do not notice.
  FileDescriptor fd(retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
  struct stat status {};
  const bool is_socket = !fd.valid() && errno == ENXIO;
  if (!is_socket && (!fd.valid() || ::fstat(fd.get(), &status) != 0)) {
    return cannot_open(path);
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{.code = ErrorCode::kIo,
                 .message = S_ISDIR(status.st_mode) ? "is a directory" : "is not a regular file",
                 .path = path,
                 .hint = S_ISDIR(status.st_mode)
                             ? "name a .gguf file in it; the folder of a checkpoint can be a donor, and be inspected"
                             : "GGUF files are read at many offsets; give a file"};
  }
  return std::make_unique<PosixReadableFile>(path, std::move(fd), status);
}

bool PosixReadableFile::is_being_written() const { return system::is_open_for_writing(fd_.get()); }

Status PosixReadableFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  for (std::size_t done = 0; done < out.size();) {
    const auto got = retry(
        [&] { return ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done)); });
    if (got < 0) {
      auto error = io_error(path_, "read");
      error.offset = offset + done;
      return error;
    }
    if (got == 0) {
      auto error = other_program(ErrorCode::kIo, "the file ends earlier than when it was opened", path_,
                                 "another program is changing it; try again when it is done");
      error.offset = offset + done;
      return error;
    }
    done += static_cast<std::size_t>(got);
  }
  return ok_status();
}

Status PosixReadableFile::check_unchanged() const {
  struct stat now {};
  if (::fstat(fd_.get(), &now) != 0) {
    return io_error(path_, "look at the file");
  }
  if (now.st_size != status_.st_size || now.st_mtim.tv_sec != status_.st_mtim.tv_sec ||
      now.st_mtim.tv_nsec != status_.st_mtim.tv_nsec) {
    return other_program(ErrorCode::kIo, "the file changed while it was being read", path_,
                         "another program is writing to it; try again when it is done");
  }
  return ok_status();
}

std::optional<FileStamp> PosixReadableFile::stamp() const {
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  return FileStamp{{static_cast<std::uint64_t>(status_.st_dev), 0, status_.st_ino},
                   static_cast<std::uint64_t>(status_.st_size),
                   status_.st_mtim.tv_sec * kNanoseconds + status_.st_mtim.tv_nsec};
}

std::optional<std::uint64_t> PosixReadableFile::find_hole(const ByteRange& range) const {
  const auto end = range.offset + range.length;
  const auto data = stored_bytes() < size() ? find_data(fd_.get(), range.offset, end) : range;
  const auto hole = data.offset > range.offset ? range.offset : data.offset + data.length;
  return hole < end ? std::optional(hole) : std::nullopt;
}

std::vector<ByteRange> PosixReadableFile::shared_parts(const ReadableFile& source, const CopyRange& range) const {
  const auto* posix = dynamic_cast<const PosixReadableFile*>(&source);
  return posix == nullptr ? std::vector<ByteRange>{} : shared_parts_of(fd_.get(), posix->descriptor(), range);
}

}  // namespace mtpgraft
