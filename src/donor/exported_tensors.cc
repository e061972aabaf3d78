#include "donor/exported_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "donor/row_order.h"
#include "donor/tensor_reader.h"
#include "gguf/quantize.h"
#include "gguf/serialize.h"
#include "gguf/tensor_types.h"
#include "model/architectures.h"
#include "model/norms.h"
#include "mtpgraft/donor.h"

namespace mtpgraft {
namespace {

std::uint64_t element_bytes(std::uint32_t type) { return find_tensor_type(type)->block_bytes; }

ExportedTensor make_exported(std::string name, std::uint32_t type, std::vector<std::uint64_t> shape) {
  ExportedTensor stored;
  stored.type = type;
  stored.tensor.name = std::move(name);
  stored.tensor.dtype = plain_dtype(type);
  stored.tensor.size_bytes = element_count(shape) * element_bytes(type);
  stored.tensor.shape = std::move(shape);
  return stored;
}

// Writes the head of one donor.
class Exporter {
 public:
  Exporter(const std::shared_ptr<const ReadableFile>& file, const GgufFile& donor, const Head& head,
           const HeadData& data)
      : file_(file),
        donor_(donor),
        head_(head),
        data_(data),
        is_shifted_(find_architecture(donor.architecture()).norms_are_shifted) {}

  Result<ExportedTensors> write(const std::vector<WrittenTensor>& written) {
    ExportedTensors stored;
    for (const auto& each : written) {
      MTPGRAFT_TRY(auto tensors, write(each));
      for (auto& tensor : tensors) {
        tensor.source = head_.tensors[each.sources.front()];
        stored.push_back(std::move(tensor));
      }
    }
    // Wide values first, so that each stands at a multiple of its width, as readers want that map the file.
    std::ranges::stable_sort(stored, std::greater(), [](const auto& each) { return element_bytes(each.type); });
    std::uint64_t offset = 0;
    for (auto& each : stored) {
      each.tensor.offset = offset;
      offset += each.tensor.size_bytes;
    }
    return stored;
  }

 private:
  [[nodiscard]] const TensorInfo& info(std::size_t index) const { return donor_.tensors[head_.tensors[index]]; }

  // As a checkpoint's tensor of the same shape and bytes.
  [[nodiscard]] CheckpointTensor source(std::size_t index) const {
    const auto& tensor = info(index);
    CheckpointTensor source;
    source.name = tensor.name;
    source.dtype = plain_dtype(tensor.type);
    source.shape.assign(tensor.shape.rend() - tensor.n_dims, tensor.shape.rend());
    source.offset = tensor.offset;
    source.size_bytes = tensor.size_bytes;
    source.file = file_;
    return source;
  }

  [[nodiscard]] Error cannot_write(std::size_t index, std::string why) const {
    return {.code = ErrorCode::kUnsupported,
            .message = fmt::format("head tensor '{}' {}", info(index).name, why),
            .path = donor_.path,
            .offset = info(index).info_offset,
            .hint = "extract the head to a .gguf file instead"};
  }

  [[nodiscard]] Status check_type(std::size_t index) const {
    const auto& tensor = info(index);
    if (!plain_dtype(tensor.type).empty()) {
      return ok_status();
    }
    return Error{.code = ErrorCode::kIncompatible,
                 .message = fmt::format("head tensor '{}' has type {}, and checkpoints have F32, F16 or BF16",
                                        tensor.name, tensor_type_name(tensor.type)),
                 .path = donor_.path,
                 .offset = tensor.info_offset,
                 .hint = "take the head of an unquantised donor",
                 .remedy = Remedy::kDequantise};
  }

  Result<ExportedTensors> write(const WrittenTensor& written) {
    const auto first = written.sources.front();
    const bool is_whole = written.transform == Transform::kNone || written.transform == Transform::kSqueeze;
    if (is_whole && info(first).is_vector() && data_.vectors[first]) {
      return write_vector(written, *data_.vectors[first]);
    }
    if (is_shifted_ && is_norm(info(first).name)) {
      return cannot_write(first, "is a norm of several dimensions, or a very long one; its 1 is not taken off");
    }
    for (const auto index : written.sources) {
      MTPGRAFT_CHECK(check_type(index));
    }
    switch (written.transform) {
      case Transform::kStackExperts:
        return unstack(written);
      case Transform::kSplitGateUp:
        return join_gate_up(written);
      case Transform::kSplitKeyValue:
        return join_key_value(written);
      case Transform::kJoinColumns:
        return part_columns(written);
      case Transform::kInterleaveHalves:
        return join_halves(written);
      case Transform::kSplitIndexer:
        return join_rows(written);
      case Transform::kJoinRows:
      case Transform::kPartPairs:
      case Transform::kRescaleQuery:
      case Transform::kRescaleLatent:
      case Transform::kLeaveOut:
        return cannot_write(first, "is not as the checkpoint has it, and a GGUF does not tell how that was");
      case Transform::kNone:
      case Transform::kSqueeze:
      case Transform::kFuseQkv:
        break;
    }
    return take(written, source(first));
  }

  // The tensor as it is.
  static ExportedTensors take(const WrittenTensor& written, const CheckpointTensor& source) {
    auto stored = make_exported(written.name, *matrix_type(source.dtype), source.shape);
    stored.add_data = [source](ComposedFile& file) { file.add_range(source.file, {source.offset, source.size_bytes}); };
    return {std::move(stored)};
  }

  // Computed with as F32, and read as that whatever it is here: BF16 where that is exact.
  Result<ExportedTensors> write_vector(const WrittenTensor& written, std::vector<float> values) const {
    const auto index = written.sources.front();
    const bool loses_one = is_shifted_ && is_norm(info(index).name);
    bool is_bf16 = true;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float value = values[i];
      if (loses_one) {
        values[i] = value - 1;
        if (std::bit_cast<std::uint32_t>(values[i] + 1) != std::bit_cast<std::uint32_t>(value)) {
          return Error{.code = ErrorCode::kIncompatible,
                       .message = fmt::format("head tensor '{}', element {}: {} is no 1 + w; the checkpoint's w = {} "
                                              "would give {} back",
                                              info(index).name, i, value, values[i], values[i] + 1),
                       .path = donor_.path,
                       .offset = info(index).offset,
                       .hint = "extract the head to a .gguf file instead, or from the checkpoint that it came from"};
        }
      }
      is_bf16 = is_bf16 && (std::bit_cast<std::uint32_t>(values[i]) & 0xFFFFU) == 0;
    }
    const auto type = is_bf16 ? tensor_type::kBF16 : tensor_type::kF32;
    std::vector<std::uint64_t> shape{values.size()};
    if (written.transform == Transform::kSqueeze) {
      shape.insert(shape.begin(), 1);  // a matrix of one row
    }
    auto stored = make_exported(written.name, type, std::move(shape));
    Bytes bytes(stored.tensor.size_bytes);
    quantize(type, values, bytes);
    stored.add_data = [bytes = std::move(bytes)](ComposedFile& file) { file.add_bytes(bytes); };
    return ExportedTensors{std::move(stored)};
  }

  [[nodiscard]] Status check_parts(std::size_t index, std::uint64_t parts) const {
    return parts <= kMatricesMax
               ? ok_status()
               : Status(cannot_write(index, fmt::format("is of {} experts or attention heads; at most "
                                                        "{} are written",
                                                        parts, kMatricesMax)));
  }

  // One tensor for each expert.
  Result<ExportedTensors> unstack(const WrittenTensor& written) const {
    const auto stack = source(written.sources.front());
    const auto star = written.name.find('*');
    if (stack.shape.size() < 2) {
      return cannot_write(written.sources.front(), "is no stack of experts");
    }
    MTPGRAFT_CHECK(check_parts(written.sources.front(), stack.shape.front()));
    ExportedTensors stored;
    for (std::uint64_t expert = 0; expert < stack.shape.front(); ++expert) {
      auto name = written.name;
      auto part = stack;
      part.shape.erase(part.shape.begin());
      part.size_bytes /= stack.shape.front();
      part.offset += expert * part.size_bytes;
      auto alone = written;
      alone.name = name.replace(star, 1, std::to_string(expert));
      std::ranges::move(take(alone, part), std::back_inserter(stored));
    }
    return stored;
  }

  [[nodiscard]] Error do_not_fit(const WrittenTensor& written) const {
    return cannot_write(written.sources[0],
                        fmt::format("and '{}' are of shapes or types that do not go into one tensor '{}'",
                                    info(written.sources[1]).name, written.name));
  }

  // Of each expert the rows of the gate, then those of up.
  Result<ExportedTensors> join_gate_up(const WrittenTensor& written) const {
    const auto gate = source(written.sources[0]);
    const auto up = source(written.sources[1]);
    if (gate.shape.size() != 3 || gate.shape != up.shape || gate.dtype != up.dtype) {
      return do_not_fit(written);
    }
    MTPGRAFT_CHECK(check_parts(written.sources[0], gate.shape[0]));
    auto shape = gate.shape;
    shape[1] *= 2;
    auto stored = make_exported(written.name, *matrix_type(gate.dtype), shape);
    stored.add_data = [gate, up](ComposedFile& file) {
      const auto bytes = gate.size_bytes / gate.shape[0];
      for (std::uint64_t expert = 0; expert < gate.shape[0]; ++expert) {
        file.add_range(gate.file, {gate.offset + expert * bytes, bytes});
        file.add_range(up.file, {up.offset + expert * bytes, bytes});
      }
    };
    return ExportedTensors{std::move(stored)};
  }

  // Of each attention head the keys, transposed back, then the values.
  Result<ExportedTensors> join_key_value(const WrittenTensor& written) const {
    const auto keys = source(written.sources[0]);
    const auto values = source(written.sources[1]);
    if (keys.shape.size() != 3 || values.shape.size() != 3 || keys.shape[0] != values.shape[0] ||
        keys.shape[1] != values.shape[2] || keys.dtype != values.dtype) {
      return do_not_fit(written);
    }
    const auto heads = keys.shape[0];
    MTPGRAFT_CHECK(check_parts(written.sources[0], heads));
    const auto rank = keys.shape[1];
    const auto key_rows = keys.shape[2];
    const auto value_rows = values.shape[1];
    const auto type = *matrix_type(keys.dtype);
    if (key_rows * rank > kTransposedBytesMax / element_bytes(type)) {
      return cannot_write(written.sources[0], "has keys that are too large to be transposed");
    }
    auto stored = make_exported(written.name, type, {heads * (key_rows + value_rows), rank});
    stored.add_data = [=](ComposedFile& file) {
      const auto key_reader = std::make_shared<TensorReader>(keys, type, 0);
      const auto value_reader = std::make_shared<TensorReader>(values, type, 0);
      for (std::uint64_t head = 0; head < heads; ++head) {
        add_transposed(file, key_reader, head * rank * key_rows, rank, key_rows);
        add_elements(file, value_reader, head * value_rows * rank, value_rows * rank);
      }
    };
    return ExportedTensors{std::move(stored)};
  }

  // The left half of the columns, or the right one.
  Result<ExportedTensors> part_columns(const WrittenTensor& written) const {
    const auto both = source(written.sources.front());
    if (both.shape.size() != 2 || both.shape[1] % 2 != 0 || written.part > 1) {
      return cannot_write(written.sources.front(), "is not two matrices side by side");
    }
    const auto type = *matrix_type(both.dtype);
    auto stored = make_exported(written.name, type, {both.shape[0], both.shape[1] / 2});
    const auto bytes = stored.tensor.size_bytes;
    const auto row_bytes = both.shape[1] / 2 * element_bytes(type);
    const auto at = both.offset + written.part * row_bytes;
    stored.add_data = [=](ComposedFile& file) {
      file.add_made({{both.file, {both.offset, both.size_bytes}}}, bytes,
                    [=](std::uint64_t offset, std::span<std::byte> out) -> Status {
                      while (!out.empty()) {
                        const auto in_row = offset % row_bytes;
                        const auto piece = out.first(std::min<std::uint64_t>(out.size(), row_bytes - in_row));
                        MTPGRAFT_CHECK(both.file->read_at(at + offset / row_bytes * 2 * row_bytes + in_row, piece));
                        offset += piece.size();
                        out = out.subspan(piece.size());
                      }
                      return ok_status();
                    });
    };
    return ExportedTensors{std::move(stored)};
  }

  // Of each attention head the even rows, then the odd ones.
  Result<ExportedTensors> join_halves(const WrittenTensor& written) const {
    const auto rows = source(written.sources.front());
    const auto width = read_head_sizes(donor_).head_width;
    if (width == 0 || width % 2 != 0 || rows.shape.empty() || rows.shape.front() % width != 0 ||
        rows.shape.front() > kRowsMax) {
      return cannot_write(written.sources.front(),
                          "has its rows in another order than the checkpoint, and attention.key_length does not tell "
                          "which are of one attention head");
    }
    auto stored = make_exported(written.name, *matrix_type(rows.dtype), rows.shape);
    stored.add_data = [=](ComposedFile& file) {
      const auto bytes = rows.size_bytes / rows.shape.front();
      for (std::uint64_t head = 0; head < rows.shape.front(); head += width) {
        for (const auto parity : {std::uint64_t{0}, std::uint64_t{1}}) {
          for (auto row = head + parity; row < head + width; row += 2) {
            file.add_range(rows.file, {rows.offset + row * bytes, bytes});
          }
        }
      }
    };
    return ExportedTensors{std::move(stored)};
  }

  // The rows of two tensors, one after the other.
  Result<ExportedTensors> join_rows(const WrittenTensor& written) const {
    const auto first = source(written.sources[0]);
    const auto second = source(written.sources[1]);
    if (first.shape.size() != 2 || second.shape.size() != 2 || first.shape[1] != second.shape[1] ||
        first.dtype != second.dtype) {
      return do_not_fit(written);
    }
    auto stored =
        make_exported(written.name, *matrix_type(first.dtype), {first.shape[0] + second.shape[0], first.shape[1]});
    stored.add_data = [=](ComposedFile& file) {
      file.add_range(first.file, {first.offset, first.size_bytes});
      file.add_range(second.file, {second.offset, second.size_bytes});
    };
    return ExportedTensors{std::move(stored)};
  }

  const std::shared_ptr<const ReadableFile>& file_;
  const GgufFile& donor_;
  const Head& head_;
  const HeadData& data_;
  bool is_shifted_;
};

}  // namespace

Result<ExportedTensors> make_exported_tensors(const std::shared_ptr<const ReadableFile>& file, const GgufFile& donor,
                                              const Head& head, const HeadData& data,
                                              const std::vector<WrittenTensor>& written) {
  return Exporter(file, donor, head, data).write(written);
}

}  // namespace mtpgraft
