#include "donor/tensor_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "donor/dequantise.h"
#include "gguf/dequantize.h"
#include "gguf/quantize.h"
#include "gguf/tensor_types.h"
#include "util/parallel.h"

namespace mtpgraft {
namespace {

struct PlainFloat {
  std::string_view dtype;
  std::uint32_t type;
};
constexpr auto kPlainFloats =
    std::to_array<PlainFloat>({{"F32", tensor_type::kF32}, {"F16", tensor_type::kF16}, {"BF16", tensor_type::kBF16}});

// Elements that are converted at a time.
constexpr std::uint64_t kPieceElements = std::uint64_t{1} << 16;

// Below, starting threads costs more than it saves.
constexpr std::size_t kParallelPiecesMin = 8;

std::uint64_t bytes_per_element(std::uint32_t type) { return find_tensor_type(type)->block_bytes; }

// Values of a tensor that others are scaled with, from element `first` on.
Status read_scales(const CheckpointTensor& tensor, std::uint64_t first, std::span<float> out) {
  if (is_plain_float(tensor.dtype)) {
    return TensorReader(tensor, tensor_type::kF32, 0).read(first, std::as_writable_bytes(out));
  }
  std::vector<std::uint8_t> codes(out.size());
  MTPGRAFT_CHECK(tensor.file->read_at(tensor.offset + first, std::as_writable_bytes(std::span(codes))));
  std::ranges::transform(codes, out.begin(), tensor.dtype == "F8_E8M0" ? from_f8_e8m0 : from_nvfp4_scale);
  return ok_status();
}

// What `make(first element, whole elements)` makes, from any byte on.
template <class Make>
ComposedFile::Maker from_any_byte(std::uint64_t element_bytes, Make make) {
  return [element_bytes, make](std::uint64_t offset, std::span<std::byte> out) -> Status {
    const auto first = offset / element_bytes;
    const auto skipped = offset % element_bytes;
    if (skipped == 0 && out.size() % element_bytes == 0) {
      return make(first, out);
    }
    const auto elements = (skipped + out.size() + element_bytes - 1) / element_bytes;
    std::vector<std::byte> whole(elements * element_bytes);
    MTPGRAFT_CHECK(make(first, std::span(whole)));
    std::memcpy(out.data(), whole.data() + skipped, out.size());
    return ok_status();
  };
}

}  // namespace

bool is_plain_float(std::string_view dtype) { return matrix_type(dtype).has_value(); }

std::optional<std::uint32_t> matrix_type(std::string_view dtype) {
  const auto* found = std::ranges::find(kPlainFloats, dtype, &PlainFloat::dtype);
  return found != kPlainFloats.end() ? std::optional(found->type) : std::nullopt;
}

std::string_view plain_dtype(std::uint32_t type) {
  const auto* found = std::ranges::find(kPlainFloats, type, &PlainFloat::type);
  return found != kPlainFloats.end() ? found->dtype : std::string_view();
}

TensorReader::TensorReader(StoredTensor tensor, std::uint32_t type, int added)
    : tensor_(std::move(tensor)),
      type_(type),
      element_bytes_(bytes_per_element(type)),
      added_(static_cast<float>(added)),
      is_e5m2_(tensor_.values.dtype == "F8_E5M2"),
      is_stored_(!tensor_.is_quantised() && matrix_type(tensor_.values.dtype) == type && added == 0) {}

std::vector<FileRange> TensorReader::reads(std::uint64_t first, std::uint64_t count) const {
  const auto& values = tensor_.values;
  const auto bits = tensor_.is_quantised() ? tensor_.bits : 8 * bytes_per_element(*matrix_type(values.dtype));
  const auto begin = first * bits / 8;
  const auto end = ((first + count) * bits + 7) / 8;
  std::vector<FileRange> reads{{values.file, {values.offset + begin, end - begin}}};
  for (const auto& beside : {tensor_.scales, tensor_.more}) {
    if (beside) {
      reads.push_back({beside->file, {beside->offset, beside->size_bytes}});
    }
  }
  return reads;
}

Status TensorReader::read(std::uint64_t first, std::span<std::byte> out) const {
  if (is_stored_) {
    return tensor_.values.file->read_at(tensor_.values.offset + first * element_bytes_, out);
  }
  const auto piece_bytes = kPieceElements * element_bytes_;
  const auto pieces = (out.size() + piece_bytes - 1) / piece_bytes;
  const auto convert_piece = [&](std::size_t index, std::size_t /*worker*/) {
    const auto piece = out.subspan(index * piece_bytes);
    return convert(first + index * kPieceElements, piece.first(std::min<std::size_t>(piece.size(), piece_bytes)));
  };
  return parallel_for(pieces, convert_piece, pieces < kParallelPiecesMin ? 1 : worker_count());
}

Status TensorReader::convert(std::uint64_t first, std::span<std::byte> out) const {
  if (tensor_.is_quantised()) {
    return convert_quantised(first, out);
  }
  std::vector<float> values(out.size() / element_bytes_);
  MTPGRAFT_CHECK(read_floats(first, values));
  if (added_ != 0) {  // -0 + 0 would be 0
    std::ranges::transform(values, values.begin(), [this](float value) { return add(value); });
  }
  quantize(type_, values, out);
  return ok_status();
}

// The converter adds to F16 in F16 and to BF16 in F32. Sums of an F16 and 1 are never subnormal, nor too large for it.
float TensorReader::add(float value) const {
  const float sum = value + added_;
  if (tensor_.values.dtype != "F16") {
    return sum;
  }
  const auto bits = std::bit_cast<std::uint32_t>(sum);
  return std::bit_cast<float>((bits + 0xFFFU + ((bits >> 13) & 1U)) & ~0x1FFFU);
}

Status TensorReader::read_floats(std::uint64_t first, std::span<float> out) const {
  const auto stored_type = *matrix_type(tensor_.values.dtype);
  const auto bytes = bytes_per_element(stored_type);
  std::vector<std::byte> stored(out.size() * bytes);
  MTPGRAFT_CHECK(tensor_.values.file->read_at(tensor_.values.offset + first * bytes, stored));
  const auto values = dequantize(stored_type, stored);
  std::ranges::copy(*values, out.begin());
  return ok_status();
}

Status TensorReader::convert_quantised(std::uint64_t first, std::span<std::byte> out) const {
  const auto& values = tensor_.values;
  const auto count = out.size() / element_bytes_;
  const auto begin = first * tensor_.bits / 8;
  const auto end = ((first + count) * tensor_.bits + 7) / 8;
  std::vector<std::uint8_t> stored(end - begin + 1);
  MTPGRAFT_CHECK(
      values.file->read_at(values.offset + begin, std::as_writable_bytes(std::span(stored).first(end - begin))));
  if (tensor_.bits < 8) {
    std::vector<std::uint8_t> codes(count);
    unpack_bits(stored, static_cast<unsigned>(first * tensor_.bits % 8), static_cast<unsigned>(tensor_.bits), codes);
    stored = std::move(codes);
  }
  const auto codes = std::span<const std::uint8_t>(stored).first(count);
  return type_ == tensor_type::kF32 ? scale<float>(first, codes, out.data()) : scale<Bf16>(first, codes, out.data());
}

template <class Value>
Status TensorReader::scale(std::uint64_t first, std::span<const std::uint8_t> codes, std::byte* out) const {
  const auto& blocks = tensor_.blocks;
  const auto columns = tensor_.columns();
  const auto scale_columns = tensor_.scale_columns();
  const auto scale_row = [&](std::uint64_t row) {
    return row / blocks.group_rows * blocks.group_blocks() + row % blocks.group_rows / blocks.rows;
  };
  const auto first_row = first / columns;
  const auto first_scale = scale_row(first_row) * scale_columns;
  const auto scale_count = (scale_row((first + codes.size() - 1) / columns) + 1) * scale_columns - first_scale;
  std::vector<float> scales(scale_count);
  MTPGRAFT_CHECK(read_scales(*tensor_.scales, first_scale, scales));
  std::vector<float> biases(tensor_.encoding() == Encoding::kAffine ? scale_count : 0);
  MTPGRAFT_CHECK(biases.empty() ? ok_status() : read_scales(*tensor_.more, first_scale, biases));
  const auto matrix_rows = tensor_.rows() / std::max<std::uint64_t>(factor_count(), 1);
  const auto first_matrix = first_row / matrix_rows;
  MTPGRAFT_TRY(const auto factors, read_factors(first_matrix, (first + codes.size() - 1) / columns / matrix_rows));
  auto column = first % columns;
  std::size_t at = 0;
  for (auto row = first_row; at < codes.size(); ++row, column = 0) {
    auto block = scale_row(row) * scale_columns + column / blocks.columns - first_scale;
    const auto row_end = std::min<std::uint64_t>(codes.size(), at + columns - column);
    auto in_block = blocks.columns - column % blocks.columns;
    for (; at < row_end; ++block, in_block = blocks.columns) {
      const auto count = std::min<std::uint64_t>(in_block, row_end - at);
      const Run<Value> run{codes.data() + at, out + at * sizeof(Value), count};
      switch (tensor_.encoding()) {
        case Encoding::kInt8:
          scale_int8(run, scales[block]);
          break;
        case Encoding::kNvfp4:
          scale_nvfp4(run, scales[block], factors[row / matrix_rows - first_matrix]);
          break;
        case Encoding::kAffine:
          scale_affine(run, scales[block], biases[block]);
          break;
        default:
          scale_fp8(is_e5m2_, run, scales[block]);
      }
      at += count;
    }
  }
  return ok_status();
}

std::uint64_t TensorReader::factor_count() const {
  return tensor_.encoding() == Encoding::kNvfp4
             ? tensor_.more->size_bytes / bytes_per_element(*matrix_type(tensor_.more->dtype))
             : 0;
}

Result<std::vector<float>> TensorReader::read_factors(std::uint64_t first_matrix, std::uint64_t last_matrix) const {
  std::vector<float> factors;
  if (factor_count() > 0) {
    factors.resize(last_matrix - first_matrix + 1);
    MTPGRAFT_CHECK(read_scales(*tensor_.more, first_matrix, factors));
    if (tensor_.divides_by_more) {
      std::ranges::transform(factors, factors.begin(), [](float factor) { return 1.0F / factor; });
    }
  }
  return factors;
}

void add_elements(ComposedFile& file, const std::shared_ptr<const TensorReader>& values, std::uint64_t first,
                  std::uint64_t count) {
  const auto bytes = values->element_bytes();
  const auto& tensor = values->tensor();
  if (values->is_stored()) {
    file.add_range(tensor.file, {tensor.offset + first * bytes, count * bytes});
    return;
  }
  file.add_made(values->reads(first, count), count * bytes,
                from_any_byte(bytes, [values, first](std::uint64_t element, std::span<std::byte> out) {
                  return values->read(first + element, out);
                }));
}

void add_transposed(ComposedFile& file, const std::shared_ptr<const TensorReader>& values, std::uint64_t first,
                    std::uint64_t rows, std::uint64_t columns) {
  const auto bytes = values->element_bytes();
  file.add_made(values->reads(first, rows * columns), rows * columns * bytes,
                from_any_byte(bytes, [=](std::uint64_t element, std::span<std::byte> out) -> Status {
                  std::vector<std::byte> matrix(rows * columns * bytes);
                  MTPGRAFT_CHECK(values->read(first, matrix));
                  for (; !out.empty(); ++element, out = out.subspan(bytes)) {
                    const auto from = element % rows * columns + element / rows;
                    std::memcpy(out.data(), &matrix[from * bytes], bytes);
                  }
                  return ok_status();
                }));
}

void add_multiplied(ComposedFile& file, const std::shared_ptr<const TensorReader>& values, std::uint64_t count,
                    float factor) {
  file.add_made(values->reads(0, count), count * sizeof(float),
                from_any_byte(sizeof(float), [=](std::uint64_t element, std::span<std::byte> out) -> Status {
                  MTPGRAFT_CHECK(values->read(element, out));
                  for (; !out.empty(); out = out.subspan(sizeof(float))) {
                    float value = 0;
                    std::memcpy(&value, out.data(), sizeof value);
                    value *= factor;
                    std::memcpy(out.data(), &value, sizeof value);
                  }
                  return ok_status();
                }));
}

}  // namespace mtpgraft
