#include "gguf/block_layouts.h"

#include <algorithm>
#include <array>

#include "gguf/tensor_types.h"

namespace mtpgraft {
namespace {

using enum ScaleFormat;

constexpr auto kLayouts = std::to_array<BlockLayout>({
    {0, kF32, 0},                     // F32
    {1, kF16, 0},                     // F16
    {2, kF16, 0},                     // Q4_0
    {3, kF16, 0, 2},                  // Q4_1
    {6, kF16, 0},                     // Q5_0
    {7, kF16, 0, 2},                  // Q5_1
    {8, kF16, 0, 1, 2, 32},           // Q8_0
    {9, kF16, 0, 2, 4, 32},           // Q8_1
    {10, kF16, 80, 2, 0, 16},         // Q2_K
    {11, kF16, 108},                  // Q3_K
    {12, kF16, 0, 2, 4, 12},          // Q4_K
    {13, kF16, 0, 2, 4, 12},          // Q5_K
    {14, kF16, 208, 1, 192, 16},      // Q6_K
    {15, kF32, 0, 1, 4, 256},         // Q8_K
    {16, kF16, 0},                    // IQ2_XXS
    {17, kF16, 0},                    // IQ2_XS
    {18, kF16, 0},                    // IQ3_XXS
    {19, kF16, 0},                    // IQ1_S
    {20, kF16, 0},                    // IQ4_NL
    {21, kF16, 0},                    // IQ3_S
    {22, kF16, 0},                    // IQ2_S
    {23, kF16, 0},                    // IQ4_XS
    {29, kF16Nibbles, 48},            // IQ1_M
    {30, kBF16, 0},                   // BF16
    {34, kF16, 52},                   // TQ1_0
    {35, kF16, 64},                   // TQ2_0
    {39, kE8M0, 0, 1, 1, 16, 0x77},   // MXFP4
    {40, kUE4M3, 0, 4, 4, 32, 0x77},  // NVFP4
    {41, kF16, 0},                    // Q1_0
    {42, kF16, 0},                    // Q2_0
});

static_assert(std::ranges::is_sorted(kLayouts, {}, &BlockLayout::type));

}  // namespace

std::span<const BlockLayout> block_layouts() { return kLayouts; }

const BlockLayout* find_block_layout(const TensorInfo& tensor) {
  const auto* found = std::ranges::lower_bound(kLayouts, tensor.type, {}, &BlockLayout::type);
  if (found == kLayouts.end() || found->type != tensor.type) {
    return nullptr;
  }
  // A fork may use the number for a type of its own.
  const auto* type = find_tensor_type(tensor.type);
  const bool is_upstreams =
      tensor.shape[0] % type->block_elements == 0 && tensor_bytes(*type, tensor.shape) == tensor.size_bytes;
  return is_upstreams ? found : nullptr;
}

}  // namespace mtpgraft
