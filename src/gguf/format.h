// Constants and limits of the GGUF format; docs/gguf-format.md tells the rules in words.
#pragma once

#include <cstdint>

namespace mtpgraft::format {

inline constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF", little-endian
inline constexpr std::uint32_t kVersionMin = 2;
inline constexpr std::uint32_t kVersionMax = 3;
inline constexpr std::uint64_t kHeaderBytes = 4 + 4 + 8 + 8;  // magic, version, tensor count, key count

inline constexpr std::uint64_t kDefaultAlignment = 32;
inline constexpr std::uint64_t kKeyBytesMax = 65535;
inline constexpr std::uint64_t kStringBytesMax = 1ULL << 30;
inline constexpr std::uint64_t kArrayElementsMax = 1ULL << 30;
inline constexpr std::uint64_t kTensorNameBytesMax = 63;  // the specification says 64, ggml loads 63
inline constexpr std::uint32_t kTensorDimsMax = 4;

// Ours: far above any model, low enough that a hostile count cannot cost memory.
inline constexpr std::uint64_t kKeysMax = 1U << 16;
inline constexpr std::uint64_t kTensorsMax = 1U << 20;

inline constexpr std::uint64_t kKeyRecordBytesMin = 8 + 1 + 4 + 1;   // length, one character, type, one byte
inline constexpr std::uint64_t kInfoRecordBytesMin = 8 + 4 + 4 + 8;  // length, dimension count, type, offset

}  // namespace mtpgraft::format
