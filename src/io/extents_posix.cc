// POSIX has no call that tells where on disk bytes lie.
#include "io/extents.h"

#include "io/io_posix.h"

namespace mtpgraft {

std::uint64_t unshared_bytes(int fd) { return stored_bytes_of(fd); }

std::vector<ByteRange> shared_parts_of(int /*fd*/, int /*source_fd*/, const CopyRange& /*range*/) { return {}; }

}  // namespace mtpgraft
