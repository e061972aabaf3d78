#include "mtpgraft/file.h"

#include <algorithm>
#include <vector>

#include "io/stream.h"

namespace mtpgraft {

Status StagedFile::copy_from(const ReadableFile& source, std::uint64_t source_offset, std::uint64_t offset,
                             std::uint64_t length, const Progress& progress) {
  constexpr std::uint64_t kBufferBytes = std::uint64_t{8} << 20;
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(length, kBufferBytes)));
  return read_in_pieces(source, source_offset, length, buffer, [&](std::span<const std::byte> piece) -> Status {
    MTPGRAFT_CHECK(write_at(offset, piece));
    offset += piece.size();
    return advance(progress, piece.size());
  });
}

}  // namespace mtpgraft
