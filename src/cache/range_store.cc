#include "cache/range_store.h"

#include <algorithm>

namespace mtpgraft {

std::vector<ByteRange> uncovered(const ByteRange& range, std::vector<ByteRange> parts) {
  std::ranges::sort(parts, {}, &ByteRange::offset);
  const auto end = range.offset + range.length;
  std::vector<ByteRange> gaps;
  auto at = range.offset;
  for (const auto& part : parts) {
    const auto from = std::min(part.offset, end);
    if (from > at) {
      gaps.push_back({at, from - at});
    }
    at = std::max(at, std::min(part.offset + part.length, end));
  }
  if (at < end) {
    gaps.push_back({at, end - at});
  }
  return gaps;
}

}  // namespace mtpgraft
