#include "donor/dequantise.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include "util/vector_clones.h"

namespace mtpgraft {
namespace {

constexpr std::uint32_t kQuiet = 0x00400000U;
constexpr std::uint32_t kNotANumber = 0x7F800000U | kQuiet;

// Decodes and rounds without branches, so that compilers make vectors of it.

// A float of few bits: a sign, an exponent, `kMantissa` bits of mantissa.
template <unsigned kBits, unsigned kMantissa, unsigned kBias>
constexpr float decode(std::uint32_t code) {
  constexpr std::uint32_t kSign = 1U << (kBits - 1);
  constexpr std::uint32_t kRebase = (127U - kBias) << 23;
  const std::uint32_t magnitude = code & (kSign - 1);
  // A subnormal has no leading 1: what reads as the smallest normal number and a fraction is that fraction.
  const std::uint32_t is_subnormal = magnitude < (1U << kMantissa) ? UINT32_MAX : 0;
  const auto normal = (magnitude << (23 - kMantissa)) + kRebase + (is_subnormal & (1U << 23));
  const auto excess = std::bit_cast<float>(is_subnormal & (kRebase + (1U << 23)));
  const auto value = std::bit_cast<std::uint32_t>(std::bit_cast<float>(normal) - excess);
  return std::bit_cast<float>(value | ((code & kSign) << (32 - kBits)));
}

constexpr float decode_e4m3(std::uint32_t code) {
  const auto bits = std::bit_cast<std::uint32_t>(decode<8, 3, 7>(code));
  return std::bit_cast<float>((code & 0x7FU) == 0x7FU ? bits | 0x7FF00000U : bits);
}

constexpr float decode_e5m2(std::uint32_t code) {
  const auto bits = std::bit_cast<std::uint32_t>(decode<8, 2, 15>(code));
  return std::bit_cast<float>((code & 0x7FU) >= 0x7CU ? bits | 0x7F800000U : bits);
}

constexpr float decode_e2m1(std::uint32_t code) { return decode<4, 1, 1>(code & 0xFU); }

constexpr bool is_nan(float value) { return (std::bit_cast<std::uint32_t>(value) & 0x7FFFFFFFU) > 0x7F800000U; }

// A NaN stays what it is, quietly. Any other that arithmetic makes is one: which sign and bits the product of two NaNs
// or of infinity and zero has depends on the processor and the compiler.
constexpr float one_nan(float value, float result) {
  const auto kept = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | kQuiet);
  const auto made = std::bit_cast<float>(kNotANumber);
  return is_nan(value) ? kept : is_nan(result) ? made : result;
}

template <class Value>
Value round_to(float value) {
  if constexpr (std::is_same_v<Value, float>) {
    return value;
  } else {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const auto rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
    return static_cast<Bf16>(is_nan(value) ? bits >> 16 : rounded);
  }
}

// What a code stands for, and what becomes of it.
struct Made {
  float value;
  float result;
};

constexpr Made times(float value, float scale) { return {value, value * scale}; }

// Makes some values at a time in an array, as compilers make no vectors of stores to any address.
template <class Value, class Make>
[[gnu::always_inline]] inline void fill(const Run<Value>& run, Make make) {
  std::array<Value, 256> made;
  for (std::size_t done = 0; done < run.count; done += made.size()) {
    const auto count = std::min(made.size(), run.count - done);
    const auto* const codes = run.codes + done;
    for (std::size_t i = 0; i < count; ++i) {
      const auto [value, result] = make(codes[i]);
      made[i] = round_to<Value>(one_nan(value, result));
    }
    std::memcpy(run.out + done * sizeof(Value), made.data(), count * sizeof(Value));
  }
}

template <class Value>
[[gnu::always_inline]] inline void fill_fp8(bool is_e5m2, const Run<Value>& run, float scale) {
  if (is_e5m2) {
    fill(run, [scale](std::uint8_t code) { return times(decode_e5m2(code), scale); });
  } else {
    fill(run, [scale](std::uint8_t code) { return times(decode_e4m3(code), scale); });
  }
}

template <class Value>
[[gnu::always_inline]] inline void fill_int8(const Run<Value>& run, float scale) {
  fill(run, [scale](std::uint8_t code) { return times(static_cast<float>(static_cast<std::int8_t>(code)), scale); });
}

template <class Value>
[[gnu::always_inline]] inline void fill_nvfp4(const Run<Value>& run, float scale, float factor) {
  fill(run, [scale, factor](std::uint8_t code) { return Made{0, decode_e2m1(code) * scale * factor}; });
}

template <class Value>
[[gnu::always_inline]] inline void fill_affine(const Run<Value>& run, float scale, float bias) {
  fill(run, [scale, bias](std::uint8_t code) { return Made{0, static_cast<float>(code) * scale + bias}; });
}

}  // namespace

float from_f8_e4m3(std::uint8_t code) { return decode_e4m3(code); }

float from_f8_e5m2(std::uint8_t code) { return decode_e5m2(code); }

float from_f8_e8m0(std::uint8_t code) {
  constexpr std::uint32_t kSmallest = 0x00400000U;  // 2^-127
  return std::bit_cast<float>(code == 0 ? kSmallest : code == 0xFF ? kNotANumber : std::uint32_t{code} << 23);
}

float from_nvfp4_scale(std::uint8_t code) {
  const auto magnitude = static_cast<std::uint8_t>(code & 0x7FU);
  return magnitude == 0x7F ? 0 : decode_e4m3(magnitude);
}

MTPGRAFT_VECTOR_CLONES void scale_fp8(bool is_e5m2, const Run<float>& run, float scale) {
  fill_fp8(is_e5m2, run, scale);
}
MTPGRAFT_VECTOR_CLONES void scale_fp8(bool is_e5m2, const Run<Bf16>& run, float scale) {
  fill_fp8(is_e5m2, run, scale);
}
MTPGRAFT_VECTOR_CLONES void scale_int8(const Run<float>& run, float scale) { fill_int8(run, scale); }
MTPGRAFT_VECTOR_CLONES void scale_int8(const Run<Bf16>& run, float scale) { fill_int8(run, scale); }
MTPGRAFT_VECTOR_CLONES void scale_nvfp4(const Run<float>& run, float scale, float factor) {
  fill_nvfp4(run, scale, factor);
}
MTPGRAFT_VECTOR_CLONES void scale_nvfp4(const Run<Bf16>& run, float scale, float factor) {
  fill_nvfp4(run, scale, factor);
}
MTPGRAFT_VECTOR_CLONES void scale_affine(const Run<float>& run, float scale, float bias) {
  fill_affine(run, scale, bias);
}
MTPGRAFT_VECTOR_CLONES void scale_affine(const Run<Bf16>& run, float scale, float bias) {
  fill_affine(run, scale, bias);
}

void unpack_bits(std::span<const std::uint8_t> packed, unsigned first_bit, unsigned bits,
                 std::span<std::uint8_t> codes) {
  std::size_t done = 0;
  if (bits == 4 && first_bit == 0) {
    for (; done + 1 < codes.size(); done += 2) {
      codes[done] = packed[done / 2] & 0xFU;
      codes[done + 1] = static_cast<std::uint8_t>(packed[done / 2] >> 4);
    }
  }
  const auto mask = (1U << bits) - 1U;
  std::uint64_t bit = first_bit + done * bits;
  for (; done < codes.size(); ++done, bit += bits) {
    const auto word = static_cast<unsigned>(packed[bit / 8] | (packed[bit / 8 + 1] << 8));
    codes[done] = static_cast<std::uint8_t>((word >> (bit % 8)) & mask);
  }
}

}  // namespace mtpgraft
