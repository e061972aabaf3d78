// The values of a checkpoint's tensors, as bytes that a GGUF has of them: converted a piece at a time while they are
// read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "donor/stored_tensor.h"
#include "io/composed_file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// Reads elements of one tensor as a GGUF has them.
class TensorReader {
 public:
  // `tensor` is quantised, its scales are placed, and `type` is F32 or BF16; or it is F32, F16 or BF16 and `type`
  // is F32 or the same.
  TensorReader(StoredTensor tensor, std::uint32_t type, int added);
  // The tensor is not quantised.
  TensorReader(CheckpointTensor tensor, std::uint32_t type, int added)
      : TensorReader(StoredTensor{.values = std::move(tensor)}, type, added) {}

  [[nodiscard]] const CheckpointTensor& tensor() const { return tensor_.values; }
  [[nodiscard]] std::uint32_t type() const { return type_; }
  [[nodiscard]] std::uint64_t element_bytes() const { return element_bytes_; }
  // The GGUF has the very bytes of the checkpoint.
  [[nodiscard]] bool is_stored() const { return is_stored_; }

  // The ranges of the checkpoint's files that are read for `count` elements from element `first` on.
  [[nodiscard]] std::vector<FileRange> reads(std::uint64_t first, std::uint64_t count) const;
  // Whole elements from element `first` on; many of them by several threads.
  Status read(std::uint64_t first, std::span<std::byte> out) const;

 private:
  Status convert(std::uint64_t first, std::span<std::byte> out) const;
  [[nodiscard]] float add(float value) const;
  Status read_floats(std::uint64_t first, std::span<float> out) const;
  Status convert_quantised(std::uint64_t first, std::span<std::byte> out) const;
  // The factors of whole matrices that NVFP4 has; else none.
  [[nodiscard]] std::uint64_t factor_count() const;
  [[nodiscard]] Result<std::vector<float>> read_factors(std::uint64_t first_matrix, std::uint64_t last_matrix) const;
  // `codes` are those of the elements from `first` on, one a byte; `out` gets as many values.
  template <class Value>
  Status scale(std::uint64_t first, std::span<const std::uint8_t> codes, std::byte* out) const;

  StoredTensor tensor_;
  std::uint32_t type_;
  std::uint64_t element_bytes_;
  float added_;
  bool is_e5m2_;
  bool is_stored_;
};

// A dtype whose values are what they are, without scales.
bool is_plain_float(std::string_view dtype);

// The ggml type that holds values of `dtype` as they are; nothing for one that is no plain float.
std::optional<std::uint32_t> matrix_type(std::string_view dtype);

// The other way round; empty for a type that is no plain float.
std::string_view plain_dtype(std::uint32_t type);

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
