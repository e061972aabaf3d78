#include "gguf/dequantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace mtpgraft {
namespace {

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kF16 = 1;
constexpr std::uint32_t kQ8_0 = 8;
constexpr std::uint32_t kBF16 = 30;

template <class T>
std::vector<float> convert(std::uint32_t type, const std::vector<T>& values) {
  const auto result = dequantize(type, std::as_bytes(std::span(values)));
  EXPECT_TRUE(result);
  return result.value_or(std::vector<float>{});
}

// By the definition of the format.
double f16_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  }
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

TEST(Dequantize, EveryF16Value) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = static_cast<std::uint16_t>(i);
  }
  const auto values = convert(kF16, all);
  ASSERT_EQ(values.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto expected = static_cast<float>(f16_value(all[i]));
    ASSERT_EQ(std::signbit(values[i]), (i & 0x8000) != 0) << i;
    ASSERT_TRUE(std::isnan(expected) ? std::isnan(values[i]) : values[i] == expected) << i;
  }
}

TEST(Dequantize, Bf16IsTheUpperHalfOfF32) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = static_cast<std::uint16_t>(i);
  }
  const auto values = convert(kBF16, all);
  ASSERT_EQ(values.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), i << 16);
  }
  EXPECT_EQ(convert(kBF16, std::vector<std::uint16_t>{0x3F80, 0xC000, 0x7F80, 0x0001}),
            (std::vector<float>{1, -2, std::numeric_limits<float>::infinity(), std::ldexp(1.0F, -133)}));
}

TEST(Dequantize, F32IsTakenAsItIs) {
  const std::vector<float> values{0, -0.0F, 1.5F, std::numeric_limits<float>::denorm_min(), -1e38F};
  const auto result = convert(kF32, values);
  ASSERT_EQ(result.size(), values.size());
  EXPECT_EQ(std::memcmp(result.data(), values.data(), values.size() * sizeof(float)), 0);
}

TEST(Dequantize, Q8BlocksHaveAScaleEach) {
  std::vector<std::byte> blocks(2 * 34);
  const std::uint16_t half = 0x3800;
  const std::uint16_t minus_two = 0xC000;
  std::memcpy(&blocks[0], &half, 2);
  std::memcpy(&blocks[34], &minus_two, 2);
  for (int i = 0; i < 32; ++i) {
    blocks[static_cast<std::size_t>(2 + i)] = static_cast<std::byte>(i - 16);
    blocks[static_cast<std::size_t>(36 + i)] = static_cast<std::byte>(-128 + 8 * i);
  }
  const auto values = convert(kQ8_0, blocks);
  ASSERT_EQ(values.size(), 64U);
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(values[static_cast<std::size_t>(i)], static_cast<float>(i - 16) * 0.5F);
    EXPECT_EQ(values[static_cast<std::size_t>(32 + i)], static_cast<float>(-128 + 8 * i) * -2.0F);
  }
}

TEST(Dequantize, NothingIsNothing) {
  for (const auto type : {kF32, kF16, kBF16, kQ8_0}) {
    EXPECT_TRUE(convert(type, std::vector<std::byte>{}).empty());
  }
}

TEST(Dequantize, OtherTypesAreNotUnderstood) {
  const std::vector<std::byte> bytes(144);
  for (const std::uint32_t type : {2U, 12U, 24U, 28U, 40U, 139U, 199U}) {
    EXPECT_FALSE(dequantize(type, bytes)) << type;
  }
}

}  // namespace
}  // namespace mtpgraft
