#include "io/posix_readable_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "io/extents.h"
#include "io/posix_io.h"

namespace mtpgraft {

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
      return Error{ErrorCode::kIo, "the file ends earlier than when it was opened", path_, offset + done,
                   "another program is changing it; try again when it is done"};
    }
    done += static_cast<std::size_t>(got);
  }
  return ok_status();
}

Status PosixReadableFile::check_unchanged() const {
  if (lease_ == Lease::kHeld) {
    if (::fcntl(fd_.get(), F_GETLEASE) != F_WRLCK) {
      return Error{ErrorCode::kRefused,
                   "another program is opening the file while it is changed",
                   path_,
                   {},
                   "try again when the other program is done"};
    }
    struct stat named {};
    if (::stat(path_.c_str(), &named) != 0 && errno != ENOENT) {
      return io_error(path_, "look whether it still has its name");
    }
    if (named.st_dev != status_.st_dev || named.st_ino != status_.st_ino) {
      return Error{ErrorCode::kRefused,
                   "another file has taken its name while it was changed",
                   path_,
                   {},
                   "look which of the two is the right one, and try again"};
    }
    return ok_status();
  }
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

std::optional<FileStamp> PosixReadableFile::stamp() const {
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  return FileStamp{status_.st_dev, status_.st_ino, static_cast<std::uint64_t>(status_.st_size),
                   status_.st_mtim.tv_sec * kNanoseconds + status_.st_mtim.tv_nsec};
}

std::vector<ByteRange> PosixReadableFile::shared_parts(const ReadableFile& source, const CopyRange& range) const {
  const auto* posix = dynamic_cast<const PosixReadableFile*>(&source);
  return posix == nullptr ? std::vector<ByteRange>{} : shared_parts_of(fd_.get(), posix->descriptor(), range);
}

}  // namespace mtpgraft
