// Constants and limits of the GGUF format; docs/gguf-format.md tells the rules in words.
#pragma once

#include <cstdint>
#include <string_view>

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

// Ours: far above any model, low enough that a hostile file can cost neither memory nor time.
inline constexpr std::size_t kArchitectureBytesMax = 1024;
inline constexpr std::uint64_t kKeysMax = 1U << 16;
inline constexpr std::uint64_t kTensorsMax = 1U << 17;
inline constexpr std::uint64_t kStringElementsMax = 1U << 22;
inline constexpr std::uint64_t kHeaderBytesMax = 100'000'000;
inline constexpr std::uint64_t kKeptBytesMax = 1ULL << 24;  // of keys' names, and of the values kept in memory

// Whether a key can have this name. Loaders in C read it up to a NUL, and may then take it for another key.
constexpr bool is_key_name(std::string_view name) {
  return !name.empty() && name.size() <= kKeyBytesMax && name.find('\0') == std::string_view::npos;
}

inline constexpr std::uint64_t kKeyRecordBytesMin = 8 + 1 + 4 + 1;   // length, one character, type, one byte
inline constexpr std::uint64_t kInfoRecordBytesMin = 8 + 4 + 4 + 8;  // length, dimension count, type, offset

}  // namespace mtpgraft::format
