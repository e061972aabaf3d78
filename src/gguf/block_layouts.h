// Where the numbers that are not quantised stand in the blocks of a tensor type: in quantised ones the scales and mins.
// As in ggml-common.h of llama.cpp v0.5.0.
#pragma once

#include <cstdint>
#include <span>

#include "mtpgraft/gguf.h"

namespace mtpgraft {

enum class ScaleFormat : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kE8M0,       // a power of two in one byte, and 0xFF is NaN; it cannot be zero
  kUE4M3,      // one byte, and 0x7F is NaN, which ggml reads as zero; its quantiser does not write it
  kF16Nibbles  // the top 4 bits of each of four 16-bit words
};

struct BlockLayout {
  std::uint32_t type;  // ggml type id
  ScaleFormat format;
  std::uint32_t scales_at;  // the first byte of the scales, which stand one after the other
  std::uint32_t scales = 1;
  // Bytes of the block which make all its values zero if they are zero, whatever the scales are. None: count 0.
  std::uint32_t factors_at = 0;
  std::uint32_t factors = 0;
  std::uint8_t factor_bits = 0xFF;  // of each such byte; not the signs of its numbers
};

std::span<const BlockLayout> block_layouts();

// Null for a type whose blocks are not known here: the forks' own, and integers, any bytes of which are numbers.
const BlockLayout* find_block_layout(const TensorInfo& tensor);

}  // namespace mtpgraft
