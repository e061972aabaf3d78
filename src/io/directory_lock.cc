#include "io/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include "io/posix_io.h"

namespace mtpgraft {

FileDescriptor lock_directory_of(const std::string& path) {
  FileDescriptor directory(::open(parent_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  retry([&] { return ::flock(directory.get(), LOCK_EX); });
  return directory;
}

}  // namespace mtpgraft
