#include "donor/dialect.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "donor/derived.h"
#include "donor/side_by_side.h"
#include "gguf/dequantize.h"
#include "gguf/serialize.h"
#include "gguf/tensor_types.h"

namespace mtpgraft {
namespace {

// Far above any norm.
constexpr std::uint64_t kNormBytesMax = std::uint64_t{4} << 20;

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
      std::vector<MatrixPart> matrices;
      for (const auto& part : parts) {
        const auto row_bytes = part.range.length / standard.info.shape[1];
        matrices.push_back({row_bytes, {part}, [part, row_bytes](std::uint64_t first, std::span<std::byte> out) {
                              return part.file->read_at(part.range.offset + first * row_bytes, out);
                            }});
      }
      tensor.add_data = [matrices = std::move(matrices), rows = standard.info.shape[1]](ComposedFile& file) {
        add_side_by_side(file, matrices, rows);
      };
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
