#include "donor/dialect.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "donor/derived.h"
#include "gguf/dequantize.h"
#include "gguf/serialize.h"
#include "gguf/tensor_types.h"

namespace mtpgraft {
namespace {

// Far above any norm.
constexpr std::uint64_t kNormBytesMax = std::uint64_t{4} << 20;

// Matrices of equal shape and type, a row of each one after the other. A ComposedFile::Maker.
struct JoinedRows {
  std::shared_ptr<const ReadableFile> file;
  std::vector<FileRange> parts;
  std::uint64_t part_row_bytes;

  Status operator()(std::uint64_t offset, std::span<std::byte> out) const {
    const auto row_bytes = part_row_bytes * parts.size();
    const auto first = offset / row_bytes;
    const auto end = (offset + out.size() - 1) / row_bytes + 1;
    Bytes rows((end - first) * part_row_bytes);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      MTPGRAFT_CHECK(file->read_at(parts[i].range.offset + first * part_row_bytes, rows));
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

Result<DerivedTensor> add_to_norm(const ReadableFile& donor, const GgufFile& gguf, const StandardTensor& norm,
                                  int added) {
  MTPGRAFT_TRY(auto values, read_norm(donor, gguf, norm));
  DerivedTensor tensor{norm.info, {}};
  tensor.info.type = tensor_type::kF32;
  tensor.info.size_bytes = values.size() * sizeof(float);
  tensor.add_data = [values = std::move(values), added](ComposedFile& file) {
    Bytes bytes;
    for (const auto value : values) {
      append_value(bytes, value + static_cast<float>(added));
    }
    file.add_bytes(std::move(bytes));
  };
  return tensor;
}

}  // namespace

Result<std::vector<float>> read_norm(const ReadableFile& file, const GgufFile& gguf, const StandardTensor& norm) {
  const auto& stored = gguf.tensors[norm.pieces.front().tensor];
  std::optional<std::vector<float>> values;
  if (stored.is_vector() && stored.size_bytes <= kNormBytesMax) {
    Bytes bytes(stored.size_bytes);
    MTPGRAFT_CHECK(file.read_at(stored.offset, bytes));
    values = dequantize(stored.type, bytes);
  }
  if (!values) {
    return Error{
        .code = ErrorCode::kUnsupported,
        .message = fmt::format("norm '{}' is {} of {} values: 1 can be added to short vectors of F32, F16, BF16 "
                               "and Q8_0 only",
                               stored.name, tensor_type_name(stored.type), stored.element_count()),
        .path = file.path(),
        .offset = stored.offset};
  }
  return *std::move(values);
}

Result<std::shared_ptr<const ReadableFile>> rename_tensors(const std::shared_ptr<const ReadableFile>& donor,
                                                           const GgufFile& gguf, const Translation& translation,
                                                           int norm_offset) {
  std::vector<DerivedTensor> tensors;
  for (const auto& standard : translation.tensors) {
    std::vector<FileRange> parts;
    for (const auto& piece : standard.pieces) {
      parts.push_back({donor, {gguf.tensors[piece.tensor].offset + piece.offset, piece.size_bytes}});
    }
    auto& tensor = tensors.emplace_back(DerivedTensor{standard.info, {}});
    if (standard.is_checkpoints_norm && norm_offset != 0) {
      MTPGRAFT_TRY(tensor, add_to_norm(*donor, gguf, standard, norm_offset));
    } else if (standard.joins_rows) {
      tensor.add_data = [rows = JoinedRows{donor, parts, parts.front().range.length / standard.info.shape[1]}, parts,
                         length = standard.info.size_bytes](ComposedFile& file) { file.add_made(parts, length, rows); };
    } else {
      tensor.add_data = [parts](ComposedFile& file) {
        for (const auto& part : parts) {
          file.add_range(part.file, part.range);
        }
      };
    }
  }
  return derive(donor, gguf, translation.keys, std::move(tensors));
}

}  // namespace mtpgraft
