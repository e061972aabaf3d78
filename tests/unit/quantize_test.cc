#include "gguf/quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "gguf/dequantize.h"

namespace mtpgraft {
namespace {

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kF16 = 1;
constexpr std::uint32_t kQ8_0 = 8;
constexpr std::uint32_t kBF16 = 30;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kDenormMin = std::numeric_limits<float>::denorm_min();
constexpr float kMax = std::numeric_limits<float>::max();

std::uint16_t encode(std::uint32_t type, float value) {
  std::uint16_t bits = 0;
  quantize(type, std::span(&value, 1), std::as_writable_bytes(std::span(&bits, 1)));
  return bits;
}

float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

TEST(Quantize, F16RoundsToNearestEven) {
  const auto f16 = [](float value) { return encode(kF16, value); };
  EXPECT_EQ(f16(1), 0x3C00);
  EXPECT_EQ(f16(-2), 0xC000);
  EXPECT_EQ(f16(0x1.002p0F), 0x3C00);     // half way between 1 and the next: to the even one
  EXPECT_EQ(f16(0x1.006p0F), 0x3C02);     // half way, and the even one is above
  EXPECT_EQ(f16(0x1.002002p0F), 0x3C01);  // just above half way
  EXPECT_EQ(f16(0x1.001ffep0F), 0x3C00);
}

TEST(Quantize, F16HasSubnormalsAndSignedZeros) {
  const auto f16 = [](float value) { return encode(kF16, value); };
  EXPECT_EQ(f16(0), 0);
  EXPECT_EQ(f16(-0.0F), 0x8000);
  EXPECT_EQ(f16(0x1p-14F), 0x0400);
  EXPECT_EQ(f16(0x1.ff8p-15F), 0x03FF);
  EXPECT_EQ(f16(0x1.ffcp-15F), 0x0400);  // rounds up to the smallest normal number
  EXPECT_EQ(f16(-0x1p-24F), 0x8001);
  EXPECT_EQ(f16(0x1p-25F), 0);  // half of the smallest: to even
  EXPECT_EQ(f16(0x1.000002p-25F), 1);
  EXPECT_EQ(f16(0x1.8p-24F), 2);
  EXPECT_EQ(f16(kDenormMin), 0);
}

TEST(Quantize, F16OverflowsToInfinity) {
  const auto f16 = [](float value) { return encode(kF16, value); };
  EXPECT_EQ(f16(65504), 0x7BFF);
  EXPECT_EQ(f16(65519.996F), 0x7BFF);
  EXPECT_EQ(f16(65520), 0x7C00);
  EXPECT_EQ(f16(-65536), 0xFC00);
  EXPECT_EQ(f16(kMax), 0x7C00);
  EXPECT_EQ(f16(kInfinity), 0x7C00);
  EXPECT_EQ(f16(-kInfinity), 0xFC00);
}

TEST(Quantize, EveryF16ComesBack) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const auto value = dequantize(kF16, std::as_bytes(std::span(&half, 1))).value().at(0);
    ASSERT_EQ(encode(kF16, value), std::isnan(value) ? (half & 0x8000) | 0x7E00 : half) << bits;
  }
}

TEST(Quantize, Bf16RoundsToNearestEven) {
  const auto bf16 = [](std::uint32_t bits) { return encode(kBF16, from_bits(bits)); };
  EXPECT_EQ(bf16(0x3F800000), 0x3F80);
  EXPECT_EQ(bf16(0x3F808000), 0x3F80);  // half way: to the even one
  EXPECT_EQ(bf16(0x3F818000), 0x3F82);
  EXPECT_EQ(bf16(0x3F808001), 0x3F81);
  EXPECT_EQ(bf16(0xBF807FFF), 0xBF80);
  EXPECT_EQ(bf16(0x80000000), 0x8000);
  EXPECT_EQ(bf16(0x00000001), 0x0000);
  EXPECT_EQ(bf16(0x00018000), 0x0002);  // subnormals are no exception
  EXPECT_EQ(bf16(0x7F7FFFFF), 0x7F80);  // the largest number becomes infinity
  EXPECT_EQ(bf16(0xFF800000), 0xFF80);
}

TEST(Quantize, NansStayNans) {
  EXPECT_EQ(encode(kF16, from_bits(0x7FC12345)), 0x7E00);
  EXPECT_EQ(encode(kF16, from_bits(0xFF800001)), 0xFE00);
  EXPECT_EQ(encode(kBF16, from_bits(0x7FC12345)), 0x7FC1);
  EXPECT_EQ(encode(kBF16, from_bits(0xFF800001)), 0xFFC0);  // its payload is in the bits that are cut off
}

TEST(Quantize, F32IsTakenAsItIs) {
  const std::vector<float> values{0, -0.0F, kDenormMin, kMax, -kInfinity};
  std::vector<float> out(values.size());
  quantize(kF32, values, std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(std::memcmp(out.data(), values.data(), values.size() * sizeof(float)), 0);
}

struct Q8Block {
  std::uint16_t scale;
  std::array<std::int8_t, 32> values;
};

Q8Block q8_block(const std::vector<float>& first_values) {
  std::array<float, 32> values{};
  std::ranges::copy(first_values, values.begin());
  Q8Block block{};
  quantize(kQ8_0, values, std::as_writable_bytes(std::span(&block, 1)));
  return block;
}

std::vector<int> first(const Q8Block& block, std::size_t count) {
  return {block.values.begin(), block.values.begin() + static_cast<std::ptrdiff_t>(count)};
}

TEST(Quantize, Q8RoundsHalvesAwayFromZero) {
  // The scale is 1, so that the values are rounded as they are.
  const auto block = q8_block({127, -127, 0.5F, -0.5F, 1.5F, -2.5F, 0.49999997F, -0.49999997F, 1.4999999F, 126.49999F});
  EXPECT_EQ(block.scale, 0x3C00);
  EXPECT_EQ(first(block, 11), (std::vector<int>{127, -127, 1, -1, 2, -3, 0, 0, 1, 126, 0}));
}

TEST(Quantize, Q8ScalesByTheLargestMagnitude) {
  const auto block = q8_block({1, -254, 2, 3});
  EXPECT_EQ(block.scale, 0x4000);
  EXPECT_EQ(first(block, 5), (std::vector<int>{1, -127, 1, 2, 0}));
}

TEST(Quantize, Q8OfTheSmallestAndLargestNumbers) {
  const auto zero = q8_block({0, -0.0F});
  EXPECT_EQ(zero.scale, 0);
  EXPECT_EQ(first(zero, 2), (std::vector<int>{0, 0}));
  const auto denormal = q8_block({kDenormMin * 200, -kDenormMin});  // the inverse of its scale is infinite
  EXPECT_EQ(denormal.scale, 0);
  EXPECT_EQ(first(denormal, 3), (std::vector<int>{0, 0, 0}));
  const auto huge = q8_block({kMax, -kMax, kMax / 127});
  EXPECT_EQ(huge.scale, 0x7C00);
  EXPECT_EQ(first(huge, 3), (std::vector<int>{127, -127, 1}));
}

TEST(Quantize, Q8BlocksHaveAScaleEach) {
  std::vector<float> values(64, 127);
  std::ranges::fill(std::span(values).subspan(32), -12.7F);
  std::vector<std::byte> out(68);
  quantize(kQ8_0, values, out);
  const auto back = dequantize(kQ8_0, out).value();
  EXPECT_EQ(back[31], 127);
  EXPECT_NEAR(back[32], -12.7F, 0.01);
}

}  // namespace
}  // namespace mtpgraft
