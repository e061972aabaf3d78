#include "util/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <utility>

#include "util/parse.h"

namespace mtpgraft {
namespace {

struct Character {
  std::uint32_t code;
  std::size_t length;
};

// The well-formed UTF-8 sequence that `text` begins with.
std::optional<Character> first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  const std::size_t length = lead < 0x80 ? 1 : (lead >> 5) == 6 ? 2 : (lead >> 4) == 14 ? 3 : (lead >> 3) == 30 ? 4 : 0;
  if (length == 0 || length > text.size()) {
    return std::nullopt;
  }
  std::uint32_t code = length == 1 ? lead : lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) {
      return std::nullopt;
    }
    code = (code << 6) | (byte(i) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  const bool is_valid = code >= kSmallest[length] && code <= 0x10FFFF && !is_surrogate;
  return is_valid ? std::optional(Character{code, length}) : std::nullopt;
}

struct CodeRange {
  std::uint32_t first;
  std::uint32_t last;
};

// What a terminal obeys or hides instead of showing it. Without these no two names that differ can look alike because
// of what is between their characters, or in an order that is not theirs.
constexpr auto kUnprintable = std::to_array<CodeRange>({
    {0x00, 0x1F},        // C0
    {0x7F, 0x9F},        // DEL and C1
    {0xAD, 0xAD},        // soft hyphen
    {0x61C, 0x61C},      // Arabic letter mark
    {0x180E, 0x180E},    // Mongolian vowel separator
    {0x200B, 0x200F},    // zero width, marks of direction
    {0x2028, 0x202E},    // line and paragraph separators, embeddings and overrides of direction
    {0x2060, 0x206F},    // word joiner, isolates of direction
    {0xFE00, 0xFE0F},    // variation selectors
    {0xFEFF, 0xFEFF},    // byte order mark
    {0xFFF9, 0xFFFB},    // interlinear annotation
    {0xE0000, 0xE0FFF},  // tags, which copy ASCII invisibly; further variation selectors
});

bool is_printable(std::uint32_t code) {
  return std::ranges::none_of(kUnprintable,
                              [&](const CodeRange& range) { return range.first <= code && code <= range.last; });
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto character = first_character(text);
    if (!character) {
      return false;
    }
    text.remove_prefix(character->length);
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto character = first_character(text);
    const auto sequence = text.substr(0, character ? character->length : 1);
    if (character && is_printable(character->code)) {
      result += sequence;
    } else if (sequence == "\n") {
      result += "\\n";
    } else if (sequence == "\t") {
      result += "\\t";
    } else {
      for (const char c : sequence) {
        result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      }
    }
    text.remove_prefix(sequence.size());
  }
  return result;
}

std::string printable_message(std::string_view text) {
  constexpr std::size_t kStartBytes = 600;
  constexpr std::size_t kEndBytes = 200;
  if (text.size() <= kStartBytes + kEndBytes) {
    return printable(text);
  }
  return fmt::format("{}[... {} bytes ...]{}", printable(text.substr(0, kStartBytes)),
                     text.size() - kStartBytes - kEndBytes, printable(text.substr(text.size() - kEndBytes)));
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!text.empty() && text.find_first_not_of(kSafe) == std::string_view::npos) {
    return std::string(text);
  }
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  quoted += '\'';
  return printable(quoted);
}

std::string shell_quoted(std::string_view text) {
  return text.starts_with('-') ? fmt::format("./{}", shell_word(text)) : shell_word(text);
}

std::string quoted_name(std::string_view name) {
  auto word = shell_quoted(name);
  return word == name ? fmt::format("'{}'", word) : word;
}

std::string list_some(const std::vector<std::string>& words, std::string_view last) {
  constexpr std::size_t kListed = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(words.size(), kListed); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == words.size() ? last : ", ", words[i]);
  }
  return words.size() > kListed ? fmt::format("{} and {} more", text, words.size() - kListed) : text;
}

namespace {

std::string format_in_units(std::uint64_t bytes, double step, std::span<const std::string_view> units) {
  if (static_cast<double>(bytes) < step) {
    return fmt::format("{} {}", bytes, bytes == 1 ? "byte" : "bytes");
  }
  auto value = static_cast<double>(bytes) / step;
  std::size_t unit = 0;
  // What would be shown as 1024.0 is 1.0 of the next unit.
  while (value >= step - 0.05 && unit + 1 < units.size()) {
    value /= step;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB"};
  return format_in_units(bytes, 1024, kUnits);
}

std::string format_bytes_decimal(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits{"kB", "MB", "GB", "TB", "PB"};
  return format_in_units(bytes, 1000, kUnits);
}

std::string format_count(std::uint64_t count) {
  auto digits = fmt::format("{}", count);
  for (auto at = digits.size(); at > 3; at -= 3) {
    digits.insert(at - 3, 1, ',');
  }
  return digits;
}

namespace {

// Characters, not bytes, as far as a terminal gives each of them one column.
std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

std::string format_table(const std::vector<std::vector<std::string>>& rows, std::string_view indent) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], text_width(row[i]));
    }
  }
  std::string result;
  for (const auto& row : rows) {
    std::string line(indent);
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      line.append(widths[i] - text_width(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + '\n';
  }
  return result;
}

namespace {

// How many letters must be changed, added or taken out.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr std::size_t kWrongLettersMax = 2;
  std::string_view best;
  auto best_distance = kWrongLettersMax + 1;
  for (const auto candidate : candidates) {
    const auto distance = edit_distance(word, candidate);
    if (distance < std::min(best_distance, candidate.size())) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace mtpgraft
