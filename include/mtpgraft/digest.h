// Digests: XXH3-128, which finds accidents, not attackers; and the others that lists of checksums may have.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mtpgraft {

struct Digest {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const Digest&) const = default;
};

// Returns 32 lower-case hexadecimal digits, most significant first, as xxhsum -H128 prints them.
std::string to_hex(const Digest& digest);

// Reads exactly what to_hex() writes, in either case; nothing for other text.
std::optional<Digest> parse_digest(std::string_view hex);

// kXxh3 is the one of 64 bits. Only SHA-256 finds attackers too.
enum class DigestAlgorithm : std::uint8_t { kXxh128, kSha256, kSha1, kXxh64, kXxh3 };

}  // namespace mtpgraft
