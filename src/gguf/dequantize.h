#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace mtpgraft {

// The values of F32, F16, BF16 or Q8_0 data; nothing for another type. `bytes` must be whole blocks of it.
std::optional<std::vector<float>> dequantize(std::uint32_t type, std::span<const std::byte> bytes);

}  // namespace mtpgraft
