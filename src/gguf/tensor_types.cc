#include "gguf/tensor_types.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "util/checked.h"

namespace mtpgraft {
namespace {

using enum TypeOrigin;

constexpr auto kTypes = std::to_array<TensorType>({
    {0, "F32", 1, 4},
    {1, "F16", 1, 2},
    {2, "Q4_0", 32, 18},
    {3, "Q4_1", 32, 20},
    {4, "Q4_2", 0, 0, 0, kRemoved},
    {5, "Q4_3", 0, 0, 0, kRemoved},
    {6, "Q5_0", 32, 22},
    {7, "Q5_1", 32, 24},
    {8, "Q8_0", 32, 34},
    {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},
    {11, "Q3_K", 256, 110},
    {12, "Q4_K", 256, 144},
    {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},
    {15, "Q8_K", 256, 292, 0, kClash},
    {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98},
    {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18},
    {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},
    {23, "IQ4_XS", 256, 136},
    {24, "I8", 1, 1},
    {25, "I16", 1, 2},
    {26, "I32", 1, 4},
    {27, "I64", 1, 8},
    {28, "F64", 1, 8},
    {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},
    {31, "Q4_0_4_4", 32, 18, 0, kClash},
    {32, "Q4_0_4_8", 32, 18, 0, kClash},
    {33, "Q4_0_8_8", 32, 18, 0, kClash},
    {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},
    {36, "I2_S", 0, 0, 0, kClash},
    {37, "IQ4_NL_4_8", 0, 0, 0, kRemoved},
    {38, "IQ4_NL_8_8", 0, 0, 0, kRemoved},
    {39, "MXFP4", 32, 17},
    {40, "NVFP4", 64, 36},
    {41, "Q1_0", 128, 18},
    {42, "Q2_0", 64, 18, 0, kClash},
    {43, "TURBO2_0", 0, 0, 0, kFork},
    {44, "TURBO3_0", 0, 0, 0, kFork},
    {45, "TURBO4_0", 0, 0, 0, kFork},
    {46, "TQ3_1S", 0, 0, 0, kFork},
    {47, "TQ4_1S", 0, 0, 0, kFork},
    {97, "Q8_0_X4", 32, 34, 0, kFork},
    {98, "Q8_1_X4", 32, 36, 0, kFork},
    {99, "Q8_2_X4", 32, 36, 0, kFork},
    {100, "ROCMFPX_100", 0, 0, 0, kFork},
    {101, "ROCMFPX_101", 0, 0, 0, kFork},
    {102, "ROCMFPX_102", 0, 0, 0, kFork},
    {103, "ROCMFPX_103", 0, 0, 0, kFork},
    {104, "ROCMFPX_104", 0, 0, 0, kFork},
    {105, "ROCMFPX_105", 0, 0, 0, kFork},
    {106, "ROCMFPX_106", 0, 0, 0, kFork},
    {107, "ROCMFPX_107", 0, 0, 0, kFork},
    {108, "ROCMFPX_108", 0, 0, 0, kFork},
    {133, "Q6_0", 32, 26, 0, kFork},
    {134, "IQ1_BN", 64, 13, 2, kFork},
    {135, "IQ2_BN", 64, 16, 4, kFork},
    {136, "Q8_K64", 64, 68, 0, kFork},
    {137, "IQ2_K", 256, 76, 0, kFork},
    {138, "IQ3_K", 256, 110, 0, kFork},
    {139, "IQ4_K", 256, 144, 0, kFork},
    {140, "IQ5_K", 256, 176, 0, kFork},
    {141, "IQ6_K", 256, 212, 0, kFork},
    {144, "IQ4_KS", 256, 136, 4, kFork},
    {145, "IQ2_KS", 256, 70, 2, kFork},
    {146, "IQ4_KSS", 256, 128, 4, kFork},
    {147, "Q8_K16", 64, 64, 20, kFork},
    {148, "Q8_K32", 256, 296, 0, kFork},
    {149, "Q8_KR8", 256, 296, 0, kFork},
    {150, "Q8_K128", 128, 140, 0, kFork},
    {151, "Q8_KV", 32, 32, 8, kFork},
    {152, "IQ5_KS", 256, 168, 4, kFork},
    {153, "IQ2_KT", 256, 68, 4, kFork},
    {154, "IQ3_KT", 256, 100, 4, kFork},
    {155, "IQ4_KT", 256, 128, 4, kFork},
    {156, "IQ3_KS", 256, 102, 2, kFork},
    {157, "IQ2_KL", 256, 86, 2, kFork},
    {158, "IQ1_KT", 256, 56, 4, kFork},
    {202, "Q4_0_R8", 32, 18, 0, kFork},
    {206, "Q5_0_R4", 32, 22, 0, kFork},
    {208, "Q8_0_R8", 32, 34, 0, kFork},
    {210, "Q2_K_R4", 256, 84, 0, kFork},
    {211, "Q3_K_R4", 256, 110, 0, kFork},
    {212, "Q4_K_R4", 256, 144, 0, kFork},
    {213, "Q5_K_R4", 256, 176, 0, kFork},
    {214, "Q6_K_R4", 256, 210, 0, kFork},
    {216, "IQ2_XXS_R4", 256, 66, 0, kFork},
    {217, "IQ2_XS_R4", 256, 74, 0, kFork},
    {218, "IQ3_XXS_R4", 256, 98, 0, kFork},
    {219, "IQ1_S_R4", 32, 6, 2, kFork},
    {220, "IQ4_NL_R4", 32, 18, 0, kFork},
    {221, "IQ3_S_R4", 256, 110, 0, kFork},
    {222, "IQ2_S_R4", 256, 82, 0, kFork},
    {223, "IQ4_XS_R8", 256, 136, 0, kFork},
    {229, "IQ1_M_R4", 32, 7, 2, kFork},
    {230, "BF16_R16", 1, 2, 0, kFork},
    {233, "Q6_0_R4", 32, 26, 0, kFork},
    {335, "IQ2_BN_R4", 64, 16, 4, kFork},
    {337, "IQ2_K_R4", 256, 76, 0, kFork},
    {338, "IQ3_K_R4", 256, 110, 0, kFork},
    {339, "IQ4_K_R4", 256, 144, 0, kFork},
    {340, "IQ5_K_R4", 256, 176, 0, kFork},
    {344, "IQ4_KS_R4", 256, 136, 4, kFork},
    {352, "IQ5_KS_R4", 256, 168, 4, kFork},
    {353, "MXFP4_R8", 32, 17, 0, kFork},
    {397, "Q8_K_R16", 256, 258, 0, kFork},
    {398, "Q8_KV_R8", 32, 32, 4, kFork},
    {399, "Q8_K_R8", 256, 258, 0, kFork},
});

static_assert(std::ranges::is_sorted(kTypes, {}, &TensorType::id));

}  // namespace

const TensorType* find_tensor_type(std::uint32_t id) {
  const auto* found = std::ranges::lower_bound(kTypes, id, {}, &TensorType::id);
  return found != kTypes.end() && found->id == id ? found : nullptr;
}

const TensorType* find_tensor_type(std::string_view name) {
  const auto same_letter = [](unsigned char a, unsigned char b) { return std::toupper(a) == std::toupper(b); };
  const auto* found =
      std::ranges::find_if(kTypes, [&](const auto& type) { return std::ranges::equal(type.name, name, same_letter); });
  return found != kTypes.end() ? found : nullptr;
}

bool is_read_by_none(std::uint32_t id) {
  const auto* type = find_tensor_type(id);
  return type == nullptr || type->origin == kRemoved;
}

std::optional<std::uint64_t> tensor_bytes(const TensorType& type, const std::array<std::uint64_t, 4>& shape) {
  // As ggml does: it multiplies first.
  auto bytes = checked_mul(shape[0], type.block_bytes);
  if (bytes) {
    bytes = checked_add(*bytes / type.block_elements, type.row_bytes);
  }
  for (std::size_t i = 1; bytes && i < shape.size(); ++i) {
    bytes = checked_mul(*bytes, shape[i]);
  }
  return bytes;
}

std::string tensor_type_name(std::uint32_t type) {
  const auto* known = find_tensor_type(type);
  return known != nullptr ? std::string(known->name) : fmt::format("#{}", type);
}

std::optional<std::uint32_t> tensor_type_id(std::string_view name) {
  const auto* known = find_tensor_type(name);
  return known != nullptr ? std::optional(known->id) : std::nullopt;
}

bool is_upstream_tensor_type(std::uint32_t type) {
  const auto* known = find_tensor_type(type);
  // 15 and 42 are upstream types whose numbers forks use for something else.
  return known != nullptr && (known->origin == kUpstream || type == 15 || type == 42);
}

}  // namespace mtpgraft
