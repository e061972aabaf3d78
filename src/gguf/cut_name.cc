#include "gguf/cut_name.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

#include "mtpgraft/split.h"
#include "util/parse.h"
#include "util/stored_name.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kExtension = ".gguf";
constexpr std::string_view kJoints = ".-_ ";
constexpr std::uint64_t kPartsMax = 10'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Where the run of such characters begins that ends at `end`.
std::size_t begin_of_run(std::string_view text, std::size_t end, bool (*is_member)(char)) {
  while (end > 0 && is_member(text[end - 1])) {
    --end;
  }
  return end;
}

std::string_view without_joint(std::string_view text) {
  return !text.empty() && kJoints.find(text.back()) != std::string_view::npos ? text.substr(0, text.size() - 1) : text;
}

// Cuts the index, and "of2" behind it, off the end of `text`.
bool take_index(std::string_view& text, CutName& name) {
  constexpr std::size_t kDigitsMax = 5;
  constexpr std::size_t kLettersMax = 3;
  const auto count_from = begin_of_run(text, text.size(), is_digit);
  if (const auto word = without_joint(text.substr(0, count_from));
      count_from < text.size() && lowered(word).ends_with("of")) {
    const auto index = without_joint(word.substr(0, word.size() - 2));
    if (const auto from = begin_of_run(index, index.size(), is_digit); from < index.size()) {
      name.count = parse_number<std::uint64_t>(text.substr(count_from));
      name.index = index.substr(from);
      name.after = text.substr(index.size());
      text = text.substr(0, from);
      return name.index.size() <= kDigitsMax && name.count.value_or(0) <= kPartsMax;
    }
  }
  auto from = count_from;
  auto size_max = kDigitsMax;
  if (from == text.size()) {
    from = begin_of_run(text, text.size(), is_letter);
    size_max = kLettersMax;
    // "Model.partaa", "Model.ggufaa": letters behind letters.
    for (const std::string_view word : {"part", "split", "chunk", "piece", "gguf"}) {
      if (const auto at = lowered(text.substr(from)).rfind(word); at != std::string::npos) {
        from += at + word.size();
      }
    }
  }
  // "xaa" is what split calls its parts, if it is told no name.
  if (text.substr(from).size() == kLettersMax && text[from] == 'x' && last_part(text).size() == kLettersMax) {
    ++from;
  }
  name.index = text.substr(from);
  text = text.substr(0, from);
  return !name.index.empty() && name.index.size() <= size_max;
}

// Without "part" and what joins it; as it is if the parts are not called so.
std::string_view without_word(std::string_view text) {
  const auto rest = without_joint(text);
  for (const std::string_view word : {"part", "split", "chunk", "piece"}) {
    if (lowered(rest).ends_with(word)) {
      return without_joint(rest.substr(0, rest.size() - word.size()));
    }
  }
  return text;
}

// The number that an index stands for, from 0: "a" is 0, "ab" is 1, "12" is 12.
std::uint64_t number_of(std::string_view index) {
  if (is_digit(index.front())) {
    return parse_number<std::uint64_t>(index).value_or(0);
  }
  constexpr std::uint64_t kLetters = 26;
  std::uint64_t number = 0;
  for (const char letter : lowered(index)) {
    number = number * kLetters + static_cast<std::uint64_t>(letter - 'a');
  }
  return number;
}

std::string spell(const CutName& name, std::uint64_t number) {
  std::string index;
  if (is_digit(name.index.front())) {
    const auto width = name.index.front() == '0' || name.index.size() > 2 ? name.index.size() : 1;
    index = fmt::format("{:0{}}", number, width);
  } else {
    const char first = name.index.front() >= 'a' ? 'a' : 'A';
    for (std::size_t i = 0; i < name.index.size(); ++i, number /= 26) {
      index.insert(index.begin(), static_cast<char>(first + static_cast<char>(number % 26)));
    }
  }
  return name.before + index + name.after;
}

// One after the other, as no pattern of a shell would: part10 sorts before part2, and a pattern takes other files, too.
std::string join_command(const CutName& name, std::uint64_t first, std::uint64_t count, const std::string& output) {
  constexpr std::uint64_t kListed = 12;
  if (count > kListed && is_digit(name.index.front())) {
    const auto width = spell(name, first).size() - name.before.size() - name.after.size();
    return fmt::format("for i in $(seq -f %0{}.0f {} {}); do cat {}\"$i\"{}; done > {}", width, first,
                       first + count - 1, shell_quoted(name.before), name.after.empty() ? "" : shell_quoted(name.after),
                       shell_quoted(output));
  }
  std::string command = "cat";
  for (auto i = first; i < first + count; ++i) {
    command += ' ' + shell_quoted(spell(name, i));
  }
  return fmt::format("{} > {}", command, shell_quoted(output));
}

}  // namespace

std::optional<CutName> parse_cut_name(std::string_view path) {
  if (parse_shard_name(path)) {
    return std::nullopt;
  }
  const auto stem = without_gguf_extension(path);
  CutName name;
  auto before = stem;
  if (!take_index(before, name)) {
    return std::nullopt;
  }
  name.after += path.substr(stem.size());
  name.before = before;
  const auto whole = without_word(before);
  const bool has_word = whole.size() < before.size();
  const auto base = has_word ? whole : without_joint(before);
  if (last_part(base).empty()) {
    return std::nullopt;
  }
  const bool has_extension = lowered(base).ends_with(kExtension);
  name.whole = base;
  if (!has_extension && stem.size() < path.size()) {
    name.whole += kExtension;
  } else if (last_part(base).find('.') == std::string_view::npos) {
    name.whole = fmt::format("{}NEW.gguf", path.substr(0, path.size() - last_part(path).size()));
  }
  // "Model.gguf.1" is what wget calls a second download.
  constexpr std::size_t kDigitsOfParts = 3;
  const bool has_digits = is_digit(name.index.front()) && name.index.size() >= kDigitsOfParts &&
                          base.size() < before.size() && last_part(base).find('.') != std::string_view::npos &&
                          stem.size() == path.size();
  name.is_sure = has_word || name.count || has_digits;
  // One letter or digit more tells nothing: "qwen-7b.gguf".
  const bool tells = name.is_sure || has_extension || name.index.size() > 1;
  return tells ? std::optional(std::move(name)) : std::nullopt;
}

std::string advise_joining(const CutName& part, const std::vector<std::string>& names) {
  std::set<std::string_view> beside(names.begin(), names.end());
  const auto is_there = [&](std::uint64_t number) {
    const auto path = spell(part, number);
    return beside.contains(last_part(path));
  };
  const bool counts_from_1 = is_digit(part.index.front()) && !is_there(0);
  const std::uint64_t first = counts_from_1 ? 1 : 0;
  auto last = first;
  while (last - first < kPartsMax && is_there(last)) {
    ++last;
  }
  const auto count = last - first;
  const auto number = number_of(part.index);
  const bool is_proven = count >= 2 && number < last;
  const bool is_second_download = beside.contains(last_part(part.whole)) && part.index.size() == 1;
  if (!part.is_sure && (!is_proven || is_second_download)) {
    return {};
  }
  if (count < std::max(part.count.value_or(2), number + 1 - std::min(first, number))) {
    return fmt::format("'{}' is not beside it: get all parts first", spell(part, last));
  }
  const bool whole_is_there = beside.contains(last_part(part.whole));
  return fmt::format("join the parts: {}", join_command(part, first, count, whole_is_there ? "NEW.gguf" : part.whole));
}

}  // namespace mtpgraft
