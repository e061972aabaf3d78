#include "donor/dialect.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "donor/derived.h"
#include "gguf/serialize.h"

namespace mtpgraft {
namespace {

// Matrices of equal shape and type, a row of each one after the other. A ComposedFile::Maker.
struct JoinedRows {
  std::shared_ptr<const ReadableFile> file;
  std::vector<ByteRange> parts;
  std::uint64_t part_row_bytes;

  Status operator()(std::uint64_t offset, std::span<std::byte> out) const {
    const auto row_bytes = part_row_bytes * parts.size();
    const auto first = offset / row_bytes;
    const auto end = (offset + out.size() - 1) / row_bytes + 1;
    Bytes rows((end - first) * part_row_bytes);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      MTPGRAFT_CHECK(file->read_at(parts[i].offset + first * part_row_bytes, rows));
      for (auto row = first; row < end; ++row) {
        const auto place = row * row_bytes + i * part_row_bytes;
        const auto from = std::max(place, offset);
        const auto to = std::min(place + part_row_bytes, offset + out.size());
        if (from < to) {
          std::memcpy(out.data() + (from - offset), rows.data() + (row - first) * part_row_bytes + (from - place),
                      to - from);
        }
      }
    }
    return ok_status();
  }
};

}  // namespace

std::shared_ptr<const ReadableFile> rename_tensors(const std::shared_ptr<const ReadableFile>& donor,
                                                   const GgufFile& gguf, const Translation& translation) {
  std::vector<DerivedTensor> tensors;
  for (const auto& [info, part_indices] : translation.tensors) {
    std::vector<ByteRange> parts;
    std::vector<FileRange> reads;
    for (const auto index : part_indices) {
      const auto& part = gguf.tensors[index];
      parts.push_back({part.offset, part.size_bytes});
      reads.push_back({donor, parts.back()});
    }
    DerivedTensor tensor{info, {}};
    if (parts.size() == 1) {
      tensor.add_data = [donor, part = parts.front()](ComposedFile& file) { file.add_range(donor, part); };
    } else {
      const auto row_bytes = parts.front().length / info.shape[1];
      tensor.add_data = [rows = JoinedRows{donor, parts, row_bytes}, reads,
                         length = info.size_bytes](ComposedFile& file) { file.add_made(reads, length, rows); };
    }
    tensors.push_back(std::move(tensor));
  }
  return derive(donor, gguf, std::move(tensors));
}

}  // namespace mtpgraft
