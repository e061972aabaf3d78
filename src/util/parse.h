// Text in ASCII as values: numbers, digits in hexadecimal, letters without case.
#pragma once

#include <charconv>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

namespace mtpgraft {

// Takes the number off the front; nothing, and nothing taken, if there is none or it does not fit into T.
template <class T>
std::optional<T> take_number(std::string_view& text) {
  T number{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  return number;
}

// Nothing unless the whole text is the number.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  const auto number = take_number<T>(text);
  return text.empty() ? number : std::nullopt;
}

// Nothing unless the whole text is one number in hexadecimal.
template <class T>
std::optional<T> parse_hex_number(std::string_view text) {
  static_assert(std::is_unsigned_v<T>);
  T number{};
  const auto* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, 16);
  return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

// Whether there are only digits of hexadecimal, with letters in lower case.
bool is_hex(std::string_view text);

std::string to_hex(std::span<const std::byte> bytes);
// Nothing unless the text has two digits, in either case, for each byte.
std::optional<std::vector<std::byte>> from_hex(std::string_view text);

// With the letters A to Z in lower case.
std::string lowered(std::string_view text);

}  // namespace mtpgraft
