#include "io/extents.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "io/io_posix.h"

namespace mtpgraft {
namespace {

struct DiskExtent {
  std::uint64_t offset;    // in the file
  std::uint64_t length;    // whole blocks, so it may pass the end of the file
  std::uint64_t physical;  // on the device; means nothing unless is_plain
  bool is_shared;          // with another file
  bool is_plain;           // its bytes lie on disk as they are: written, not compressed, encrypted or packed
};

enum class FlushFirst { kNo, kYes };

// A real-time device of XFS has addresses of its own, which mean other blocks than the same ones of the data device.
bool is_on_realtime_device(int fd) {
  struct fsxattr attributes {};
  return ::ioctl(fd, FS_IOC_FSGETXATTR, &attributes) == 0 && (attributes.fsx_xflags & FS_XFLAG_REALTIME) != 0;
}

// The extents of [range.offset, +length), ordered; nothing if the file system cannot tell. Without a flush, what was
// just written may not have its place yet.
std::optional<std::vector<DiskExtent>> map_extents(int fd, const ByteRange& range, FlushFirst flush) {
  constexpr std::uint32_t kNotPlain = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_ENCODED |
                                      FIEMAP_EXTENT_DATA_ENCRYPTED | FIEMAP_EXTENT_NOT_ALIGNED |
                                      FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL | FIEMAP_EXTENT_UNWRITTEN;
  constexpr std::size_t kExtentsPerCall = 256;
  // struct fiemap ends in an array of any length.
  alignas(struct fiemap) std::array<std::byte, sizeof(struct fiemap) + kExtentsPerCall * sizeof(struct fiemap_extent)>
      buffer{};
  auto* const map = reinterpret_cast<struct fiemap*>(buffer.data());
  const auto end = range.offset + range.length;
  std::vector<DiskExtent> extents;
  for (auto at = range.offset; at < end;) {
    buffer.fill(std::byte{0});
    map->fm_start = at;
    map->fm_length = end - at;
    map->fm_flags = flush == FlushFirst::kYes ? FIEMAP_FLAG_SYNC : 0;
    map->fm_extent_count = kExtentsPerCall;
    if (::ioctl(fd, FS_IOC_FIEMAP, map) != 0) {
      return std::nullopt;
    }
    if (map->fm_mapped_extents == 0) {
      break;
    }
    const auto* const found = reinterpret_cast<const struct fiemap_extent*>(buffer.data() + sizeof(struct fiemap));
    for (std::uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
      const auto& extent = found[i];
      extents.push_back({extent.fe_logical, extent.fe_length, extent.fe_physical,
                         (extent.fe_flags & FIEMAP_EXTENT_SHARED) != 0, (extent.fe_flags & kNotPlain) == 0});
    }
    const auto& last = extents.back();
    at = std::max(at + 1, last.offset + last.length);
    flush = FlushFirst::kNo;
  }
  return extents;
}

}  // namespace

std::uint64_t unshared_bytes(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return 0;
  }
  const auto stored = static_cast<std::uint64_t>(status.st_blocks) * 512;
  const auto extents = map_extents(fd, {0, static_cast<std::uint64_t>(status.st_size)}, FlushFirst::kNo);
  std::uint64_t shared = 0;
  for (const auto& extent : extents.value_or(std::vector<DiskExtent>{})) {
    shared += extent.is_shared ? extent.length : 0;
  }
  return stored - std::min(stored, shared);
}

std::vector<ByteRange> shared_parts_of(int fd, int source_fd, const CopyRange& range) {
  struct stat status {};
  struct stat source_status {};
  if (::fstat(fd, &status) != 0 || ::fstat(source_fd, &source_status) != 0 || status.st_dev != source_status.st_dev ||
      is_on_realtime_device(fd) || is_on_realtime_device(source_fd)) {
    return {};
  }
  const auto extents = map_extents(fd, {range.offset, range.length}, FlushFirst::kYes);
  const auto source_extents = map_extents(source_fd, {range.source_offset, range.length}, FlushFirst::kYes);
  if (!extents || !source_extents) {
    return {};
  }
  std::vector<ByteRange> parts;
  const auto usable = [](const DiskExtent& extent) { return extent.is_plain && extent.is_shared; };
  auto a = extents->begin();
  auto b = source_extents->begin();
  // Both lists are walked along positions that count from the range's start; an extent may begin before it.
  const auto to_position = [](std::uint64_t offset, std::uint64_t start) {
    return static_cast<std::int64_t>(offset) - static_cast<std::int64_t>(start);
  };
  while (a != extents->end() && b != source_extents->end()) {
    const auto a_from = to_position(a->offset, range.offset);
    const auto b_from = to_position(b->offset, range.source_offset);
    const auto a_to = a_from + static_cast<std::int64_t>(a->length);
    const auto b_to = b_from + static_cast<std::int64_t>(b->length);
    const auto from = std::max({a_from, b_from, std::int64_t{0}});
    const auto to = std::min({a_to, b_to, static_cast<std::int64_t>(range.length)});
    const auto same_place = a->physical + static_cast<std::uint64_t>(from - a_from) ==
                            b->physical + static_cast<std::uint64_t>(from - b_from);
    if (from < to && usable(*a) && usable(*b) && same_place) {
      parts.push_back({static_cast<std::uint64_t>(from), static_cast<std::uint64_t>(to - from)});
    }
    if (a_to <= b_to) {
      ++a;
    } else {
      ++b;
    }
  }
  return parts;
}

Result<bool> is_stored_whole(int fd, const std::string& path, std::uint64_t size) {
  // SEEK_HOLE alone takes reserved storage for data while it is in the page cache.
  const auto extents = map_extents(fd, {0, size}, FlushFirst::kYes);
  if (!extents) {
    return io_error(path, "look for its holes");
  }
  std::uint64_t end = 0;
  for (const auto& extent : *extents) {
    if (extent.offset != end || !extent.is_plain) {
      return false;
    }
    end += extent.length;
  }
  return end >= size;
}

}  // namespace mtpgraft
