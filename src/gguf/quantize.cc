#include "gguf/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "gguf/tensor_types.h"

namespace mtpgraft {
namespace {

constexpr std::uint32_t kMagnitudeMask = 0x7FFFFFFFU;
constexpr std::uint32_t kInfinity = 0x7F800000U;

// Both round to nearest even. Without branches, so that compilers make vectors of them.

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  const auto quiet_nan = (bits >> 16) | 0x40U;
  return static_cast<std::uint16_t>((bits & kMagnitudeMask) > kInfinity ? quiet_nan : rounded);
}

std::uint16_t to_f16(float value) {
  constexpr auto kSmallestNormal = std::bit_cast<std::uint32_t>(0x1p-14F);
  constexpr auto kOverflow = std::bit_cast<std::uint32_t>(0x1p16F);  // turns out as infinity
  constexpr std::uint32_t kRebase = (127U - 15U) << 23;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto magnitude = bits & kMagnitudeMask;
  const auto bounded = std::min(magnitude, kOverflow);
  const auto normal = (bounded + 0xFFFU + ((bounded >> 13) & 1U) - kRebase) >> 13;
  // The last bit of 0.5 is worth 2^-24, as that of an F16 subnormal: the addition rounds to it.
  const auto subnormal =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(bounded) + 0.5F) - std::bit_cast<std::uint32_t>(0.5F);
  const auto finite = bounded < kSmallestNormal ? subnormal : normal;
  return static_cast<std::uint16_t>(((bits >> 16) & 0x8000U) | (magnitude > kInfinity ? 0x7E00U : finite));
}

constexpr std::size_t kQ8BlockElements = 32;
constexpr std::size_t kQ8BlockBytes = 2 + kQ8BlockElements;  // F16 scale, 32 x i8

void quantize_q8_block(const float* values, std::byte* out) {
  // Without their sign, floats are in the order of their bits.
  std::int32_t largest = 0;
  for (std::size_t i = 0; i < kQ8BlockElements; ++i) {
    largest = std::max(largest, static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(values[i]) & kMagnitudeMask));
  }
  const float scale = std::bit_cast<float>(largest) / 127.0F;
  const float inverse = scale != 0 ? 1.0F / scale : 0.0F;
  const auto stored_scale = to_f16(scale);
  std::memcpy(out, &stored_scale, sizeof stored_scale);
  for (std::size_t i = 0; i < kQ8BlockElements; ++i) {
    // The inverse of the smallest scales is infinite; they are stored as 0.
    const float scaled = values[i] * inverse;
    const float bounded = std::abs(scaled) < 128 ? scaled : 0;
    const auto whole = static_cast<std::int32_t>(bounded);
    const float rest = bounded - static_cast<float>(whole);
    const auto rounded = whole + static_cast<std::int32_t>(rest >= 0.5F) - static_cast<std::int32_t>(rest <= -0.5F);
    out[2 + i] = static_cast<std::byte>(rounded);
  }
}

}  // namespace

bool can_quantize(std::uint32_t type) {
  return type == tensor_type::kF32 || type == tensor_type::kF16 || type == tensor_type::kBF16 ||
         type == tensor_type::kQ8_0;
}

void quantize(std::uint32_t type, std::span<const float> values, std::span<std::byte> out) {
  switch (type) {
    case tensor_type::kF32:
      std::ranges::copy(std::as_bytes(values), out.begin());
      return;
    case tensor_type::kF16:
    case tensor_type::kBF16:
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto bits = type == tensor_type::kF16 ? to_f16(values[i]) : to_bf16(values[i]);
        std::memcpy(&out[2 * i], &bits, sizeof bits);
      }
      return;
    case tensor_type::kQ8_0:
      for (std::size_t block = 0; block < values.size() / kQ8BlockElements; ++block) {
        quantize_q8_block(&values[block * kQ8BlockElements], &out[block * kQ8BlockBytes]);
      }
      return;
    default:
      return;
  }
}

}  // namespace mtpgraft
