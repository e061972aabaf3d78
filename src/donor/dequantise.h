// The values of quantised checkpoints, a run of them that shares a scale at a time. Computed in F32, each operation
// rounded once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mtpgraft {

float from_f8_e4m3(std::uint8_t code);  // all ones is not a number; there are no infinities
float from_f8_e5m2(std::uint8_t code);  // an F16's first byte
float from_f8_e8m0(std::uint8_t code);  // a power of two; all ones is not a number

// A scale of NVFP4 as llama.cpp takes it: without its sign, and 0 for what is not a number.
float from_nvfp4_scale(std::uint8_t code);

// The bits of a BF16, to which a value is rounded (to nearest, ties to even).
enum class Bf16 : std::uint16_t {};

// Values that share a scale, and where they are written as float or Bf16, at whatever address.
template <class Value>
struct Run {
  const std::uint8_t* codes;
  std::byte* out;
  std::size_t count;
};

// value x scale
void scale_fp8(bool is_e5m2, const Run<float>& run, float scale);
void scale_fp8(bool is_e5m2, const Run<Bf16>& run, float scale);

// value x scale
void scale_int8(const Run<float>& run, float scale);
void scale_int8(const Run<Bf16>& run, float scale);

// Codes of 4 bits, one a byte. value x scale, which is exact, x factor
void scale_nvfp4(const Run<float>& run, float scale, float factor);
void scale_nvfp4(const Run<Bf16>& run, float scale, float factor);

// value x scale + bias
void scale_affine(const Run<float>& run, float scale, float bias);
void scale_affine(const Run<Bf16>& run, float scale, float bias);

// Takes codes of `bits` bits (1 to 8), the first of which begins `first_bit` bits into `packed`; low bits come first.
// `packed` has a byte more than they are in.
void unpack_bits(std::span<const std::uint8_t> packed, unsigned first_bit, unsigned bits,
                 std::span<std::uint8_t> codes);

}  // namespace mtpgraft
