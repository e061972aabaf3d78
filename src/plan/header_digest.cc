#include "mtpgraft/header_digest.h"

#include "io/read_ahead.h"
#include "io/stream.h"
#include "util/hash.h"

namespace mtpgraft {

Result<Digest> digest_header(const ReadableFile& file, const GgufFile& gguf) {
  Hasher hasher;
  MTPGRAFT_CHECK(read_ahead(file, 0, gguf.data_offset, [&](std::span<const std::byte> piece) {
    hasher.update(piece);
    return ok_status();
  }));
  return hasher.finish();
}

Result<Digest> digest_planned_header(const FilePlan& plan, const ReadableFile& target) {
  Hasher hasher;
  std::vector<std::byte> buffer(std::size_t{1} << 16);
  const auto hash = [&](std::span<const std::byte> piece) {
    hasher.update(piece);
    return ok_status();
  };
  std::uint64_t offset = 0;
  for (const auto& segment : plan.segments) {
    if (offset >= plan.data_offset) {
      break;
    }
    if (const auto* literal = std::get_if<Literal>(&segment)) {
      hasher.update(literal->bytes);
    } else if (const auto* copy = std::get_if<Copy>(&segment)) {
      MTPGRAFT_CHECK(read_in_pieces(target, copy->offset, copy->length, buffer, hash));
    } else {
      MTPGRAFT_CHECK(in_zeros(segment_length(segment), hash));
    }
    offset += segment_length(segment);
  }
  return hasher.finish();
}

}  // namespace mtpgraft
