#include "mtpgraft/file.h"

#include <algorithm>
#include <vector>

#include "io/stream.h"
#include "util/checked.h"

namespace mtpgraft {

CopyRange clonable_part(const CopyRange& range) {
  const auto skip = align_up(range.offset, kCloneBlockBytes) - range.offset;
  if (range.offset % kCloneBlockBytes != range.source_offset % kCloneBlockBytes || skip >= range.length) {
    return range.part(range.length, 0);
  }
  return range.part(skip, (range.length - skip) / kCloneBlockBytes * kCloneBlockBytes);
}

std::vector<ByteRange> ReadableFile::shared_parts(const ReadableFile& /*source*/, const CopyRange& /*range*/) const {
  return {};
}

Result<std::optional<std::string>> StagedFile::clone_from(const ReadableFile& /*source*/, const CopyRange& /*range*/) {
  return std::optional<std::string>("files of this kind cannot share blocks");
}

Status StagedFile::reserve(const ReadableFile& /*source*/, const CopyRange& /*range*/) { return ok_status(); }

Result<CopyCounts> StagedFile::copy_from(const ReadableFile& source, const CopyRange& range, const CopyOptions& options,
                                         const Progress& progress) {
  // As much as stays in the cache of a core between reading and writing; the system joins the requests.
  constexpr std::uint64_t kBufferBytes = std::uint64_t{256} << 10;
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(range.length, kBufferBytes)));
  auto offset = range.offset;
  const auto write = [&](std::span<const std::byte> piece) -> Status {
    MTPGRAFT_CHECK(write_at(offset, piece));
    if (options.observe) {
      options.observe(piece);
    }
    offset += piece.size();
    return advance(progress, piece.size());
  };
  MTPGRAFT_CHECK(read_in_pieces(source, range.source_offset, range.length, buffer, write));
  CopyCounts counts;
  counts.buffered = range.length;
  return counts;
}

}  // namespace mtpgraft
