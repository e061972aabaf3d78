// Sizes of ggml tensor types, upstream (ggml d99724f2) and ik_llama.cpp (8337e4cd); of TurboQuant (00910b10) the names,
// of ROCmFPX the numbers only.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "mtpgraft/gguf.h"

namespace mtpgraft {

enum class TypeOrigin : std::uint8_t {
  kUpstream,
  kFork,
  kClash,    // means different things in different forks: its size is believed only where the offsets agree
  kRemoved,  // in no current program
};

struct TensorType {
  std::uint32_t id;
  std::string_view name;
  std::uint32_t block_elements;  // 0 if unknown
  std::uint32_t block_bytes;
  std::uint32_t row_bytes = 0;  // extra bytes in front of each row
  TypeOrigin origin = TypeOrigin::kUpstream;
};

namespace tensor_type {
inline constexpr std::uint32_t kF32 = 0;
inline constexpr std::uint32_t kF16 = 1;
inline constexpr std::uint32_t kQ8_0 = 8;
inline constexpr std::uint32_t kI8 = 24;
inline constexpr std::uint32_t kF64 = 28;
inline constexpr std::uint32_t kBF16 = 30;
inline constexpr std::uint32_t kNvfp4 = 40;
}  // namespace tensor_type

// Null for an id in no table.
const TensorType* find_tensor_type(std::uint32_t id);

// By its name in any case; null for what no type is called.
const TensorType* find_tensor_type(std::string_view name);

// Whether no current program has it: it is in no table, or ggml has removed it.
bool is_read_by_none(std::uint32_t id);

// Bytes of the data; nothing if a product overflows on the way. `type` must have block_elements != 0, and the row
// length must be a multiple of it.
std::optional<std::uint64_t> tensor_bytes(const TensorType& type, const std::array<std::uint64_t, 4>& shape);

}  // namespace mtpgraft
