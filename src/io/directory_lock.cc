#include "io/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "io/posix_io.h"

namespace mtpgraft {

Result<FileDescriptor> lock_directory_of(const std::string& path) {
  FileDescriptor directory(retry([&] { return ::open(parent_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  // One may make files in a directory that one may not read.
  if (!directory.valid() && errno != EACCES) {
    return io_error(path, "lock the directory");
  }
  retry([&] { return ::flock(directory.get(), LOCK_EX); });
  return directory;
}

}  // namespace mtpgraft
