#include "gguf/describe.h"

#include <fmt/format.h>

#include <algorithm>

#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::size_t kShownElements = 6;
// A pattern over the layers is worth reading as a whole.
constexpr std::uint64_t kShownLayers = 128;
constexpr std::size_t kShownCharacters = 72;

// Of a text, before the first character that differs from another text.
constexpr std::size_t kShownBefore = 24;

bool is_inside_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80; }

// The text's part from `from` on, as quote() shows texts.
std::string quote_from(std::string_view text, std::size_t from) {
  return from == 0 ? quote(text)
                   : fmt::format("\"...{}{}\" ({} bytes)", printable(text.substr(from, kShownCharacters)),
                                 text.size() - from > kShownCharacters ? "..." : "", text.size());
}

}  // namespace

std::string describe_element(const GgufValue& value, std::uint64_t index) {
  if (const auto integer = value.integer_at(index)) {
    return value.element_type == ValueType::kBool ? fmt::format("{}", *integer != 0) : fmt::format("{}", *integer);
  }
  if (const auto large = value.unsigned_at(index)) {
    return fmt::format("{}", *large);
  }
  const auto number = value.number_at(index);
  if (!number) {
    return "?";
  }
  return value.element_type == ValueType::kF32 ? fmt::format("{}", static_cast<float>(*number))
                                               : fmt::format("{}", *number);
}

std::string_view text_of(const GgufFile& file, std::string_view key) {
  const auto* item = file.find_key(key);
  return item != nullptr ? item->text().value_or("") : "";
}

std::string quote(std::string_view text) {
  const auto shown = printable(text.substr(0, kShownCharacters));
  return text.size() <= kShownCharacters ? fmt::format("\"{}\"", shown)
                                         : fmt::format("\"{}... ({} bytes)\"", shown, text.size());
}

std::string describe_value(const GgufValue& value) {
  if (const auto text = value.text()) {
    return quote(*text);
  }
  if (!value.is_array()) {
    return describe_element(value);
  }
  std::vector<std::string> shown;
  if (value.element_type == ValueType::kString) {
    for (const auto text : value.strings()) {
      if (shown.size() == kShownElements) {
        break;
      }
      shown.push_back(quote(text));
    }
  } else {
    const auto limit = value.element_count <= kShownLayers ? value.element_count : kShownElements;
    shown.reserve(limit);
    for (std::uint64_t i = 0; i < limit; ++i) {
      shown.push_back(describe_element(value, i));
    }
  }
  return fmt::format("[{}{}]", fmt::join(shown, ", "), shown.size() < value.element_count ? ", ..." : "");
}

std::pair<std::string, std::string> describe_both(const GgufValue& a, const GgufValue& b) {
  std::pair<std::string, std::string> both{describe_value(a), describe_value(b)};
  const auto one = a.text();
  const auto other = b.text();
  if (one && other && std::max(one->size(), other->size()) > kShownCharacters) {
    const auto length = std::min(one->size(), other->size());
    const auto alike = static_cast<std::size_t>(
        std::mismatch(one->begin(), one->begin() + static_cast<std::ptrdiff_t>(length), other->begin()).first -
        one->begin());
    auto from = alike - std::min(alike, kShownBefore);
    while (from > 0 && is_inside_character((*one)[from])) {
      --from;
    }
    both = {quote_from(*one, from), quote_from(*other, from)};
  }
  if (both.first == both.second) {
    both.first += fmt::format(" ({})", describe_type(a));
    both.second += fmt::format(" ({}, with other contents)", describe_type(b));
  }
  return both;
}

std::string type_name(const GgufValue& value) {
  return fmt::format("{}{}", value_type_name(value.element_type), value.is_array() ? "[]" : "");
}

std::string describe_type(const GgufValue& value) {
  return value.is_array() ? fmt::format("{}[{}]", value_type_name(value.element_type), value.element_count)
                          : std::string(value_type_name(value.type));
}

}  // namespace mtpgraft
