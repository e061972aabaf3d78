#include "gguf/dequantize.h"

#include <bit>

#include "gguf/load.h"
#include "gguf/tensor_types.h"

namespace mtpgraft {
namespace {

float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

float from_f16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1FU;
  const std::uint32_t fraction = bits & 0x3FFU;
  if (exponent == 0) {
    // Zero or subnormal: fraction / 2^24 is exact in F32.
    const auto magnitude = std::bit_cast<std::uint32_t>(static_cast<float>(fraction) * 0x1p-24F);
    return std::bit_cast<float>(sign | magnitude);
  }
  const std::uint32_t rebased = exponent == 0x1F ? 0xFFU : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (rebased << 23) | (fraction << 13));
}

}  // namespace

std::optional<std::vector<float>> dequantize(std::uint32_t type, std::span<const std::byte> bytes) {
  std::vector<float> values;
  switch (type) {
    case tensor_type::kF32:
      values.resize(bytes.size() / sizeof(float));
      if (!values.empty()) {
        std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
      }
      return values;
    case tensor_type::kF16:
    case tensor_type::kBF16:
      values.resize(bytes.size() / 2);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto bits = load<std::uint16_t>(&bytes[2 * i]);
        values[i] = type == tensor_type::kF16 ? from_f16(bits) : from_bf16(bits);
      }
      return values;
    case tensor_type::kQ8_0: {
      constexpr std::size_t kBlockBytes = 34;  // F16 scale, 32 x i8
      values.reserve(bytes.size() / kBlockBytes * 32);
      for (std::size_t block = 0; block < bytes.size(); block += kBlockBytes) {
        const float scale = from_f16(load<std::uint16_t>(&bytes[block]));
        for (std::size_t i = 2; i < kBlockBytes; ++i) {
          values.push_back(scale * static_cast<float>(load<std::int8_t>(&bytes[block + i])));
        }
      }
      return values;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace mtpgraft
