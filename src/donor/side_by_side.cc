#include "donor/side_by_side.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace mtpgraft {
namespace {

// A ComposedFile::Maker.
struct SideBySide {
  std::vector<MatrixPart> parts;
  std::uint64_t row_bytes;

  Status operator()(std::uint64_t offset, std::span<std::byte> out) const {
    const auto first = offset / row_bytes;
    const auto end = (offset + out.size() - 1) / row_bytes + 1;
    std::uint64_t column = 0;
    for (const auto& part : parts) {
      std::vector<std::byte> rows((end - first) * part.row_bytes);
      MTPGRAFT_CHECK(part.read_rows(first, rows));
      for (auto row = first; row < end; ++row) {
        const auto place = row * row_bytes + column;
        const auto from = std::max(place, offset);
        const auto to = std::min(place + part.row_bytes, offset + out.size());
        if (from < to) {
          std::memcpy(out.data() + (from - offset), rows.data() + (row - first) * part.row_bytes + (from - place),
                      to - from);
        }
      }
      column += part.row_bytes;
    }
    return ok_status();
  }
};

}  // namespace

void add_side_by_side(ComposedFile& file, std::vector<MatrixPart> parts, std::uint64_t rows) {
  std::uint64_t row_bytes = 0;
  std::vector<FileRange> reads;
  for (const auto& part : parts) {
    row_bytes += part.row_bytes;
    reads.insert(reads.end(), part.reads.begin(), part.reads.end());
  }
  file.add_made(std::move(reads), rows * row_bytes, SideBySide{std::move(parts), row_bytes});
}

}  // namespace mtpgraft
