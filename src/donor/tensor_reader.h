// The values of a checkpoint's tensors, as bytes that a GGUF has of them: converted a piece at a time while they are
// read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "donor/checkpoint.h"
#include "io/composed_file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// FP8 values are multiplied by one scale for each block of rows and columns. The rows lie in groups of equal length
// (the matrices of a stack, the parts of a tensor that is stored for several processors), and blocks begin anew with
// each.
struct BlockScales {
  CheckpointTensor tensor;
  std::uint64_t block_rows;
  std::uint64_t block_columns;
  std::uint64_t group_rows;
};

// Reads elements of one tensor as a GGUF has them.
class TensorReader {
 public:
  // `tensor` is of dtype F32, F16, BF16, or F8_E4M3 with scales; `type` is F32, or BF16 for F8_E4M3, or the same.
  TensorReader(CheckpointTensor tensor, std::optional<BlockScales> scales, std::uint32_t type, int added);

  [[nodiscard]] const CheckpointTensor& tensor() const { return tensor_; }
  [[nodiscard]] std::uint32_t type() const { return type_; }
  [[nodiscard]] std::uint64_t element_bytes() const { return element_bytes_; }
  // The GGUF has the very bytes of the checkpoint.
  [[nodiscard]] bool is_stored() const { return is_stored_; }

  // The ranges of the checkpoint's files that are read for `count` elements from element `first` on.
  [[nodiscard]] std::vector<FileRange> reads(std::uint64_t first, std::uint64_t count) const;
  // Whole elements from element `first` on.
  Status read(std::uint64_t first, std::span<std::byte> out) const;

 private:
  [[nodiscard]] float add(float value) const;
  Status read_floats(std::uint64_t first, std::span<float> out) const;
  Status read_fp8(std::uint64_t first, std::span<float> out) const;

  CheckpointTensor tensor_;
  std::optional<BlockScales> scales_;
  std::uint32_t type_;
  std::uint64_t element_bytes_;
  float added_;
  bool is_stored_;
};

// A dtype whose values are what they are, without scales.
bool is_plain_float(std::string_view dtype);

// The ggml type that holds values of `dtype` as they are; BF16 for FP8; nothing for a dtype that is not handled.
std::optional<std::uint32_t> matrix_type(std::string_view dtype);

void add_elements(ComposedFile& file, const std::shared_ptr<const TensorReader>& values, std::uint64_t first,
                  std::uint64_t count);

// Of a matrix that is transposed. The keys of an attention head of real models have 0.2 MiB.
inline constexpr std::uint64_t kTransposedBytesMax = std::uint64_t{4} << 20;

// The elements from `first` on are a matrix, which is added with rows and columns exchanged. It is made in memory.
void add_transposed(ComposedFile& file, const std::shared_ptr<const TensorReader>& values, std::uint64_t first,
                    std::uint64_t rows, std::uint64_t columns);

// Elements of F32, each times `factor`.
void add_multiplied(ComposedFile& file, const std::shared_ptr<const TensorReader>& values, std::uint64_t count,
                    float factor);

}  // namespace mtpgraft
