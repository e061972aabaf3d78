// Where the bytes of a file lie on disk, as far as the file system tells (FIEMAP).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "mtpgraft/file.h"

namespace mtpgraft {

struct DiskExtent {
  std::uint64_t offset;    // in the file
  std::uint64_t length;    // whole blocks, so it may pass the end of the file
  std::uint64_t physical;  // on the device; means nothing unless is_plain
  bool is_shared;          // with another file
  bool is_plain;           // its bytes lie on disk as they are: written, not compressed, encrypted or packed
};

enum class FlushFirst { kNo, kYes };

// The extents of [range.offset, +length), ordered; nothing if the file system cannot tell. Without a flush, what was
// just written may not have its place yet.
std::optional<std::vector<DiskExtent>> map_extents(int fd, const ByteRange& range, FlushFirst flush);

// Bytes of storage that only this file holds.
std::uint64_t unshared_bytes(int fd);

// As ReadableFile::shared_parts().
std::vector<ByteRange> shared_parts_of(int fd, int source_fd, const CopyRange& range);

// Whether every byte of the file was written to disk: it has no holes, and no storage that was only reserved.
Result<bool> is_stored_whole(int fd, const std::string& path, std::uint64_t size);

// The next range that holds data in [at, end); empty at `end` if there is none.
ByteRange find_data(int fd, std::uint64_t at, std::uint64_t end);

}  // namespace mtpgraft
