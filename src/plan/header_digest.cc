#include "mtpgraft/header_digest.h"

#include <algorithm>

#include "io/read_ahead.h"
#include "io/stream.h"
#include "util/hash.h"

namespace mtpgraft {

Result<TargetHeader> read_target_header(const ReadableFile& file, const GgufFile& gguf) {
  Hasher hasher;
  MTPGRAFT_CHECK(read_ahead(file, 0, gguf.data_offset, [&](std::span<const std::byte> piece) {
    hasher.update(piece);
    return ok_status();
  }));
  TargetHeader header{hasher.finish()};
  const auto& first = gguf.files.front();
  const auto padding_end = first.tensor_count > 0 ? gguf.data_offset : first.data_end;
  // More is not for a record, and what is longer than all else in it is an attack.
  header.padding.resize(std::min<std::uint64_t>(padding_end - gguf.infos_end, KeyValue::kKeptValueBytes));
  MTPGRAFT_CHECK(file.read_at(gguf.infos_end, header.padding));
  while (!header.padding.empty() && header.padding.back() == std::byte{0}) {
    header.padding.pop_back();
  }
  return header;
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
    // What pads a header without data is no part of it.
    const auto length = std::min(segment_length(segment), plan.data_offset - offset);
    if (const auto* literal = std::get_if<Literal>(&segment)) {
      hasher.update(std::span(literal->bytes).first(length));
    } else if (const auto* copy = std::get_if<Copy>(&segment)) {
      MTPGRAFT_CHECK(read_in_pieces(target, copy->offset, length, buffer, hash));
    } else {
      MTPGRAFT_CHECK(in_zeros(length, hash));
    }
    offset += length;
  }
  return hasher.finish();
}

}  // namespace mtpgraft
