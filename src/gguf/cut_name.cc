#include "gguf/cut_name.h"

#include <fmt/core.h>

#include <algorithm>

#include "util/parse.h"
#include "util/stored_name.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kExtension = ".gguf";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

// "1", "01", "a", "aa": what tells the parts apart, with what is around it.
struct Index {
  std::string_view before;
  std::string_view text;
  std::string_view after;  // "of2"
};

// The index that `name` ends with.
std::optional<Index> read_index(std::string_view name) {
  constexpr std::size_t kDigitsMax = 5;
  constexpr std::size_t kLettersMax = 2;
  auto end = name.size();
  const auto digits_before = [&](std::size_t to) {
    auto from = to;
    while (from > 0 && is_digit(name[from - 1])) {
      --from;
    }
    return from;
  };
  // "1of2", "1-of-2"
  if (const auto count = digits_before(end); count < end && count > 0) {
    const auto lower = lowered(name.substr(0, count));
    for (const std::string_view of : {"-of-", "_of_", "of"}) {
      const auto at = lower.ends_with(of) ? count - of.size() : 0;
      if (const auto from = digits_before(at); from < at) {
        return Index{name.substr(0, from), name.substr(from, at - from), name.substr(at)};
      }
    }
  }
  auto from = digits_before(end);
  if (from == end) {
    while (from > 0 && is_lower(name[from - 1])) {
      --from;
    }
    if (end - from > kLettersMax) {
      return std::nullopt;
    }
  }
  return from == end || end - from > kDigitsMax ? std::nullopt
                                                : std::optional(Index{name.substr(0, from), name.substr(from), {}});
}

// Without "part" and what joins it; empty if the parts are not called so.
std::string_view without_word(std::string_view text, std::string_view index) {
  constexpr auto kJoints = std::string_view(".-_");
  const auto without_joint = [&](std::string_view from) {
    return !from.empty() && kJoints.find(from.back()) != std::string_view::npos ? from.substr(0, from.size() - 1)
                                                                                : std::string_view();
  };
  auto rest = text;
  if (const auto shorter = without_joint(rest); !shorter.empty()) {
    rest = shorter;
  }
  for (const std::string_view word : {"part", "split", "chunk", "piece"}) {
    if (lowered(rest).ends_with(word)) {
      return without_joint(rest.substr(0, rest.size() - word.size()));
    }
  }
  // "Model.gguf.001", "Model.gguf.aa": the extension says that something follows.
  const bool is_behind_extension = rest.size() < text.size() && lowered(rest).ends_with(kExtension);
  return is_behind_extension && (is_digit(index.front()) || index.front() == 'a') ? rest : std::string_view();
}

std::string join_command(std::string_view directory, const Index& index, std::string_view extension,
                         const std::string& whole) {
  // Numbers without leading zeros do not sort: part10 comes before part2.
  const auto count = index.after.empty() ? std::nullopt
                                         : parse_number<std::uint64_t>(index.after.substr(
                                               std::min(index.after.find_first_of("0123456789"), index.after.size())));
  constexpr std::uint64_t kListedMax = 9;
  std::string parts;
  for (std::uint64_t i = 1; count && *count <= kListedMax && i <= *count; ++i) {
    parts += ' ' + shell_quoted(fmt::format("{}{}{:0{}}{}{}", directory, index.before, i, index.text.size(),
                                            index.after, extension));
  }
  if (parts.empty()) {
    parts = fmt::format(" {}{}{}{}", shell_quoted(fmt::format("{}{}", directory, index.before)),
                        std::string(index.text.size(), '?'), index.after, extension);
  }
  return fmt::format("cat{} > {}", parts, shell_quoted(fmt::format("{}{}", directory, whole)));
}

}  // namespace

std::optional<CutName> parse_cut_name(std::string_view path) {
  const auto name = last_part(path);
  const auto stem = without_gguf_extension(name);
  const auto extension = name.substr(stem.size());  // "Model-part-a.gguf"
  const auto index = read_index(stem);
  if (!index) {
    return std::nullopt;
  }
  const auto base = without_word(index->before, index->text);
  if (base.empty()) {
    return std::nullopt;
  }
  std::string whole(base);
  if (!lowered(whole).ends_with(kExtension)) {
    // Without the extension anywhere it could be part 1 of anything.
    if (extension.empty()) {
      return std::nullopt;
    }
    whole += extension;
  }
  return CutName{whole, fmt::format("join the parts, in their order: {}",
                                    join_command(path.substr(0, path.size() - name.size()), *index, extension, whole))};
}

}  // namespace mtpgraft
