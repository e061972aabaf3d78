// XXH3-128 digests. They find accidents, not attackers.
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

// 32 lower-case hexadecimal digits, most significant first, as xxhsum -H128 prints them.
std::string to_hex(const Digest& digest);

// Accepts exactly what to_hex writes, in either case.
std::optional<Digest> parse_digest(std::string_view hex);

}  // namespace mtpgraft
