#include "util/glob.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <optional>
#include <utility>

namespace mtpgraft {
namespace {

constexpr auto kClasses = std::to_array<std::pair<std::string_view, int (*)(int)>>({{"alnum", std::isalnum},
                                                                                    {"alpha", std::isalpha},
                                                                                    {"blank", std::isblank},
                                                                                    {"cntrl", std::iscntrl},
                                                                                    {"digit", std::isdigit},
                                                                                    {"graph", std::isgraph},
                                                                                    {"lower", std::islower},
                                                                                    {"print", std::isprint},
                                                                                    {"punct", std::ispunct},
                                                                                    {"space", std::isspace},
                                                                                    {"upper", std::isupper},
                                                                                    {"xdigit", std::isxdigit}});

// What stands in a pattern for one character of the text: so many bytes of it, 0 if they do not match.
using Length = std::size_t;

// Where a bracket expression begins: the same; nothing if it does not end, so that "[" means itself.
std::optional<Length> match_bracket(std::string_view pattern, unsigned char c) {
  std::size_t at = 1;
  const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  at += negated ? 1 : 0;
  bool found = false;
  // The end of a range, or a character of its own.
  const auto next = [&]() -> unsigned char {
    at += pattern[at] == '\\' && at + 1 < pattern.size() ? 1 : 0;
    return static_cast<unsigned char>(pattern[at++]);
  };
  for (bool is_first = true; at < pattern.size(); is_first = false) {
    if (pattern[at] == ']' && !is_first) {
      return found != negated ? at + 1 : 0;
    }
    if (pattern.substr(at).starts_with("[:")) {
      const auto name = pattern.substr(at + 2, pattern.find(":]", at + 2) - (at + 2));
      const auto named = std::ranges::find(kClasses, name, &std::pair<std::string_view, int (*)(int)>::first);
      if (named != kClasses.end()) {
        found = found || named->second(c) != 0;
        at += name.size() + 4;
        continue;
      }
    }
    const auto low = next();
    const bool is_range = at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']';
    at += is_range ? 1 : 0;
    const auto high = is_range ? next() : low;
    found = found || (low <= c && c <= high);
  }
  return std::nullopt;
}

// `pattern` is not empty, and does not begin with "*".
Length match_one(std::string_view pattern, char c) {
  switch (pattern.front()) {
    case '?':
      return 1;
    case '[':
      return match_bracket(pattern, static_cast<unsigned char>(c)).value_or(c == '[' ? 1 : 0);
    case '\\':
      return pattern.size() > 1 && pattern[1] == c ? 2 : 0;
    default:
      return pattern.front() == c ? 1 : 0;
  }
}

}  // namespace

bool is_pattern(std::string_view text) { return text.find_first_of("*?[\\") != std::string_view::npos; }

bool matches_glob(std::string_view pattern, std::string_view text, LeadingPeriod leading) {
  if (leading == LeadingPeriod::kOnlyPeriod && text.starts_with('.') && !pattern.starts_with('.') &&
      !pattern.starts_with("\\.")) {
    return false;
  }
  std::size_t in_pattern = 0;
  std::size_t in_text = 0;
  // Where to go on when something does not match: behind the last star, which then stands for one character more.
  std::optional<std::size_t> star;
  std::size_t star_end = 0;
  while (in_text < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      star = ++in_pattern;
      star_end = in_text;
      continue;
    }
    const auto length = in_pattern < pattern.size() ? match_one(pattern.substr(in_pattern), text[in_text]) : 0;
    if (length > 0) {
      in_pattern += length;
      ++in_text;
    } else if (star) {
      in_pattern = *star;
      in_text = ++star_end;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', in_pattern) == std::string_view::npos;
}

}  // namespace mtpgraft
