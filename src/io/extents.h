// Where on disk the bytes of files lie.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mtpgraft/file.h"

namespace mtpgraft {

// Bytes of storage that only this file holds; where the system cannot tell, all that it holds.
std::uint64_t unshared_bytes(int fd);

// As ReadableFile::shared_parts().
std::vector<ByteRange> shared_parts_of(int fd, int source_fd, const CopyRange& range);

// Whether every byte of the file was written to disk: it has no holes, and no storage that was only reserved.
Result<bool> is_stored_whole(int fd, const std::string& path, std::uint64_t size);

}  // namespace mtpgraft
