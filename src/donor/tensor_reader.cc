#include "donor/tensor_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "gguf/dequantize.h"
#include "gguf/quantize.h"
#include "gguf/tensor_types.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kFp8 = "F8_E4M3";

// Elements that are converted at a time.
constexpr std::uint64_t kPieceElements = std::uint64_t{1} << 16;

constexpr float from_f8_e4m3(std::uint32_t bits) {
  const std::uint32_t sign = (bits & 0x80U) << 24;
  const std::uint32_t magnitude = bits & 0x7FU;
  if (magnitude < 8) {  // zero or subnormal: a multiple of 2^-9
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-9F));
  }
  // All ones is not a number; there are no infinities.
  const std::uint32_t rebased = (magnitude << 20) + (magnitude == 0x7F ? 0xF0U << 23 : (127U - 7U) << 23);
  return std::bit_cast<float>(sign | rebased);
}

constexpr auto kFp8Values = [] {
  std::array<float, 256> values{};
  for (std::uint32_t bits = 0; bits < values.size(); ++bits) {
    values[bits] = from_f8_e4m3(bits);
  }
  return values;
}();

std::uint64_t bytes_per_element(std::uint32_t type) { return find_tensor_type(type)->block_bytes; }

std::uint64_t row_length(const CheckpointTensor& tensor) { return tensor.shape.back(); }

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

bool is_plain_float(std::string_view dtype) { return dtype == "BF16" || dtype == "F16" || dtype == "F32"; }

std::optional<std::uint32_t> matrix_type(std::string_view dtype) {
  if (dtype == "F32") {
    return tensor_type::kF32;
  }
  if (dtype == "F16") {
    return tensor_type::kF16;
  }
  return dtype == "BF16" || dtype == kFp8 ? std::optional(tensor_type::kBF16) : std::nullopt;
}

TensorReader::TensorReader(CheckpointTensor tensor, std::optional<BlockScales> scales, std::uint32_t type, int added)
    : tensor_(std::move(tensor)),
      scales_(std::move(scales)),
      type_(type),
      element_bytes_(bytes_per_element(type)),
      added_(static_cast<float>(added)),
      is_stored_(!scales_ && matrix_type(tensor_.dtype) == type && added == 0) {}

std::vector<FileRange> TensorReader::reads(std::uint64_t first, std::uint64_t count) const {
  const auto bytes = scales_ ? 1 : bytes_per_element(*matrix_type(tensor_.dtype));
  std::vector<FileRange> reads{{tensor_.file, {tensor_.offset + first * bytes, count * bytes}}};
  if (scales_) {
    reads.push_back({scales_->tensor.file, {scales_->tensor.offset, scales_->tensor.size_bytes}});
  }
  return reads;
}

Status TensorReader::read(std::uint64_t first, std::span<std::byte> out) const {
  if (is_stored_) {
    return tensor_.file->read_at(tensor_.offset + first * element_bytes_, out);
  }
  std::vector<float> floats(std::min(kPieceElements, std::uint64_t{out.size()} / element_bytes_));
  while (!out.empty()) {
    const auto piece = std::span(floats).first(std::min(floats.size(), out.size() / element_bytes_));
    MTPGRAFT_CHECK(scales_ ? read_fp8(first, piece) : read_floats(first, piece));
    if (added_ != 0) {  // -0 + 0 would be 0
      std::ranges::transform(piece, piece.begin(), [this](float value) { return add(value); });
    }
    quantize(type_, piece, out.first(piece.size() * element_bytes_));
    first += piece.size();
    out = out.subspan(piece.size() * element_bytes_);
  }
  return ok_status();
}

// The converter adds to F16 in F16 and to BF16 in F32. Sums of an F16 and 1 are never subnormal, nor too large for it.
float TensorReader::add(float value) const {
  const float sum = value + added_;
  if (tensor_.dtype != "F16") {
    return sum;
  }
  const auto bits = std::bit_cast<std::uint32_t>(sum);
  return std::bit_cast<float>((bits + 0xFFFU + ((bits >> 13) & 1U)) & ~0x1FFFU);
}

Status TensorReader::read_floats(std::uint64_t first, std::span<float> out) const {
  const auto stored_type = *matrix_type(tensor_.dtype);
  const auto bytes = bytes_per_element(stored_type);
  std::vector<std::byte> stored(out.size() * bytes);
  MTPGRAFT_CHECK(tensor_.file->read_at(tensor_.offset + first * bytes, stored));
  const auto values = dequantize(stored_type, stored);
  std::ranges::copy(*values, out.begin());
  return ok_status();
}

Status TensorReader::read_fp8(std::uint64_t first, std::span<float> out) const {
  std::vector<std::uint8_t> stored(out.size());
  MTPGRAFT_CHECK(tensor_.file->read_at(tensor_.offset + first, std::as_writable_bytes(std::span(stored))));
  const auto columns = row_length(tensor_);
  const auto scale_columns = row_length(scales_->tensor);
  const auto group_blocks = (scales_->group_rows + scales_->block_rows - 1) / scales_->block_rows;
  const TensorReader scales(scales_->tensor, {}, tensor_type::kF32, 0);
  std::vector<float> row_scales(scale_columns);
  auto loaded = UINT64_MAX;
  for (std::size_t i = 0; i < out.size();) {
    const auto row = (first + i) / columns;
    const auto column = (first + i) % columns;
    const auto scale_row = row / scales_->group_rows * group_blocks + row % scales_->group_rows / scales_->block_rows;
    if (scale_row != loaded) {
      MTPGRAFT_CHECK(scales.read(scale_row * scale_columns, std::as_writable_bytes(std::span(row_scales))));
      loaded = scale_row;
    }
    const auto in_block = scales_->block_columns - column % scales_->block_columns;
    const auto end = i + std::min({in_block, columns - column, std::uint64_t{out.size() - i}});
    const float scale = row_scales[column / scales_->block_columns];
    for (; i < end; ++i) {
      out[i] = kFp8Values[stored[i]] * scale;
    }
  }
  return ok_status();
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
