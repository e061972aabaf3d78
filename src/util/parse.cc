#include "util/parse.h"

#include <algorithm>
#include <cstdint>

namespace mtpgraft {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

}  // namespace

bool is_hex(std::string_view text) { return text.find_first_not_of(kHexDigits) == std::string_view::npos; }

std::string to_hex(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const auto byte : bytes) {
    text += kHexDigits[std::to_integer<std::size_t>(byte >> 4)];
    text += kHexDigits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

std::optional<std::vector<std::byte>> from_hex(std::string_view text) {
  std::vector<std::byte> bytes;
  for (; text.size() >= 2; text.remove_prefix(2)) {
    const auto byte = parse_hex_number<std::uint8_t>(text.substr(0, 2));
    if (!byte) {
      return std::nullopt;
    }
    bytes.push_back(std::byte{*byte});
  }
  return text.empty() ? std::optional(std::move(bytes)) : std::nullopt;
}

std::string lowered(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

}  // namespace mtpgraft
