#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mtpgraft {

// F32, F16, BF16 and Q8_0.
bool can_quantize(std::uint32_t type);

// `values` as data of such a type, bit for bit as ggml's reference code makes them. `values` must be whole blocks, for
// Q8_0 of finite numbers, and `out` as long as their data.
void quantize(std::uint32_t type, std::span<const float> values, std::span<std::byte> out);

}  // namespace mtpgraft
