#include "donor/dequantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "gguf/quantize.h"
#include "gguf/tensor_types.h"

namespace mtpgraft {
namespace {

// By its definition, not by bits.
float value_of(std::uint32_t code, int mantissa_bits, int bias) {
  const auto magnitude = static_cast<int>(code & 0x7FU);
  const int exponent = magnitude >> mantissa_bits;
  const int one = 1 << mantissa_bits;
  const int fraction = magnitude % one;
  const double value = exponent == 0 ? std::ldexp(fraction, 1 - bias - mantissa_bits)
                                     : std::ldexp(one + fraction, exponent - bias - mantissa_bits);
  return std::copysign(static_cast<float>(value), (code & 0x80U) != 0 ? -1.0F : 1.0F);
}

TEST(Dequantise, DecodesEveryCodeOfFp8) {
  for (unsigned code = 0; code < 256; ++code) {
    SCOPED_TRACE(code);
    const auto byte = static_cast<std::uint8_t>(code);
    const auto e4m3 = from_f8_e4m3(byte);
    const auto e5m2 = from_f8_e5m2(byte);
    EXPECT_EQ(std::signbit(e4m3), code >= 128);
    EXPECT_EQ(std::signbit(e5m2), code >= 128);
    if ((code & 0x7FU) == 0x7F) {
      EXPECT_TRUE(std::isnan(e4m3));
    } else {
      EXPECT_EQ(e4m3, value_of(code, 3, 7));
    }
    if ((code & 0x7FU) == 0x7C) {
      EXPECT_TRUE(std::isinf(e5m2));
    } else if ((code & 0x7FU) > 0x7C) {
      EXPECT_TRUE(std::isnan(e5m2));
    } else {
      EXPECT_EQ(e5m2, value_of(code, 2, 15));
    }
  }
}

TEST(Dequantise, TakesPowersOfTwoFromTheSmallestToTheLargest) {
  EXPECT_EQ(from_f8_e8m0(127), 1.0F);
  EXPECT_EQ(from_f8_e8m0(0), 0x1p-127F);
  EXPECT_EQ(from_f8_e8m0(1), 0x1p-126F);
  EXPECT_EQ(from_f8_e8m0(254), 0x1p127F);
  EXPECT_TRUE(std::isnan(from_f8_e8m0(255)));
}

// As llama.cpp does with NVFP4.
TEST(Dequantise, TakesScalesOfNvfp4WithoutSignAndNan) {
  EXPECT_EQ(from_nvfp4_scale(0x38), 1.0F);
  EXPECT_EQ(from_nvfp4_scale(0xB8), 1.0F);
  EXPECT_EQ(from_nvfp4_scale(0x01), 0x1p-9F);
  EXPECT_EQ(from_nvfp4_scale(0x7F), 0.0F);
  EXPECT_EQ(from_nvfp4_scale(0xFF), 0.0F);
}

template <class Value>
std::vector<Value> made(std::size_t count, const std::function<void(const Run<Value>&)>& make,
                        const std::vector<std::uint8_t>& codes) {
  std::vector<Value> values(count);
  make({codes.data(), reinterpret_cast<std::byte*>(values.data()), count});
  return values;
}

std::vector<std::uint8_t> every_code(std::size_t count) {
  std::vector<std::uint8_t> codes(count);
  for (std::size_t i = 0; i < count; ++i) {
    codes[i] = static_cast<std::uint8_t>(i * 37);
  }
  return codes;
}

// Whatever the vectors of the machine, of each length: BF16 is the F32 product, rounded once.
TEST(Dequantise, RoundsTheProductOnce) {
  for (const std::size_t count : {1U, 15U, 16U, 255U, 256U, 257U, 1000U}) {
    for (const float scale : {0.0F, -0.0F, 1.0F, 0.001234567F, 1e-40F, 3e38F, std::numeric_limits<float>::infinity(),
                              std::numeric_limits<float>::quiet_NaN()}) {
      SCOPED_TRACE(testing::Message() << count << " values, scale " << scale);
      const auto codes = every_code(count);
      const auto floats = made<float>(
          count, [&](const auto& run) { scale_fp8(false, run, scale); }, codes);
      const auto halves = made<Bf16>(
          count, [&](const auto& run) { scale_fp8(false, run, scale); }, codes);
      std::vector<Bf16> expected(count);
      quantize(tensor_type::kBF16, floats, std::as_writable_bytes(std::span(expected)));
      EXPECT_EQ(halves, expected);
      for (std::size_t i = 0; i < count; ++i) {
        const float value = from_f8_e4m3(codes[i]);
        const float product = value * scale;
        if (std::isnan(product)) {  // The same bytes on each processor.
          EXPECT_EQ(std::bit_cast<std::uint32_t>(floats[i]),
                    std::isnan(value) ? std::bit_cast<std::uint32_t>(value) : 0x7FC00000U)
              << i;
        } else {
          EXPECT_EQ(floats[i], product) << i;
        }
      }
    }
  }
}

TEST(Dequantise, MultipliesIntegersAndAddsBiases) {
  const std::vector<std::uint8_t> codes{0, 1, 127, 128, 255};
  EXPECT_EQ(made<float>(
                5, [](const auto& run) { scale_int8(run, 0.5F); }, codes),
            (std::vector<float>{0, 0.5F, 63.5F, -64, -0.5F}));
  EXPECT_EQ(made<float>(
                5, [](const auto& run) { scale_affine(run, 0.5F, -1); }, codes),
            (std::vector<float>{-1, -0.5F, 62.5F, 63, 126.5F}));
  const std::vector<std::uint8_t> fours{0, 1, 2, 3, 4, 5, 6, 7, 9, 15};
  EXPECT_EQ(made<float>(
                10, [](const auto& run) { scale_nvfp4(run, 2, 0.25F); }, fours),
            (std::vector<float>{0, 0.25F, 0.5F, 0.75F, 1, 1.5F, 2, 3, -0.25F, -3}));
}

TEST(Dequantise, UnpacksBitsFromAnyPlace) {
  for (unsigned bits = 1; bits <= 8; ++bits) {
    std::vector<std::uint8_t> codes(50);
    std::vector<std::uint8_t> packed(52);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      codes[i] = static_cast<std::uint8_t>((i * 31 + 7) & ((1U << bits) - 1));
      for (unsigned bit = 0; bit < bits; ++bit) {
        const auto at = i * bits + bit;
        packed[at / 8] = static_cast<std::uint8_t>(packed[at / 8] | (((codes[i] >> bit) & 1U) << (at % 8)));
      }
    }
    for (std::size_t first = 0; first < 20; ++first) {
      SCOPED_TRACE(testing::Message() << bits << " bits from code " << first);
      std::vector<std::uint8_t> taken(30);
      unpack_bits(std::span(packed).subspan(first * bits / 8), static_cast<unsigned>(first * bits % 8), bits, taken);
      EXPECT_TRUE(std::ranges::equal(taken, std::span(codes).subspan(first, 30)));
    }
  }
}

}  // namespace
}  // namespace mtpgraft
