#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/verify.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kOpen = " (";
constexpr std::string_view kMiddle = ") = ";
// The digests of llama-gguf-hash, behind the algorithm's name.
constexpr std::size_t kManifestHexColumn = 10;

struct Algorithm {
  DigestAlgorithm id;
  std::string_view tag;       // in lists of xxhsum and coreutils
  std::string_view manifest;  // in those of llama-gguf-hash
  std::size_t hex_digits;
};

// For lines that name no algorithm, the first with as many digits counts.
constexpr std::array kAlgorithms{
    Algorithm{DigestAlgorithm::kXxh128, "XXH128", "xxh128", 32},
    Algorithm{DigestAlgorithm::kSha256, "SHA256", "sha256", 64}, Algorithm{DigestAlgorithm::kSha1, "SHA1", "sha1", 40},
    Algorithm{DigestAlgorithm::kXxh64, "XXH64", "xxh64", 16}, Algorithm{DigestAlgorithm::kXxh3, "XXH3", "xxh3", 16}};

bool needs_escape(std::string_view name) { return name.find_first_of("\\\n\r") != std::string_view::npos; }

std::string escape(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    switch (c) {
      case '\\':
        escaped += "\\\\";
        break;
      case '\n':
        escaped += "\\n";
        break;
      case '\r':
        escaped += "\\r";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::optional<std::string> unescape(std::string_view name) {
  std::string plain;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '\\') {
      plain += name[i];
      continue;
    }
    if (++i == name.size()) {
      return std::nullopt;
    }
    switch (name[i]) {
      case '\\':
        plain += '\\';
        break;
      case 'n':
        plain += '\n';
        break;
      case 'r':
        plain += '\r';
        break;
      default:
        return std::nullopt;
    }
  }
  return plain;
}

// What a line says, before its name is understood.
struct Line {
  enum class Form : std::uint8_t { kTagged, kPlain, kManifest };
  Form form;
  const Algorithm* algorithm;
  std::string_view name;
  std::string_view hex;
};

std::optional<Line> split_line(std::string_view line) {
  const auto word = line.substr(0, line.find(' '));
  const auto rest = line.substr(word.size());
  if (const auto* found = std::ranges::find(kAlgorithms, word, &Algorithm::tag);
      found != kAlgorithms.end() && rest.starts_with(kOpen)) {
    // A name may hold anything, the digest cannot: split from the right.
    const auto middle = rest.rfind(kMiddle);
    if (middle == std::string_view::npos || middle < kOpen.size()) {
      return std::nullopt;
    }
    return Line{Line::Form::kTagged, found, rest.substr(kOpen.size(), middle - kOpen.size()),
                rest.substr(middle + kMiddle.size())};
  }
  if (const auto* found = std::ranges::find(kAlgorithms, word, &Algorithm::manifest); found != kAlgorithms.end()) {
    const auto name_column = kManifestHexColumn + found->hex_digits + 2;
    if (line.size() <= name_column || line.substr(name_column - 2, 2) != "  " ||
        line.substr(0, kManifestHexColumn).find_last_not_of(' ') != word.size() - 1) {
      return std::nullopt;
    }
    return Line{Line::Form::kManifest, found, line.substr(name_column),
                line.substr(kManifestHexColumn, found->hex_digits)};
  }
  if (const auto* found = std::ranges::find(kAlgorithms, word.size(), &Algorithm::hex_digits);
      found != kAlgorithms.end() && rest.size() > 2 && (rest[1] == ' ' || rest[1] == '*')) {
    return Line{Line::Form::kPlain, found, rest.substr(2), word};
  }
  return std::nullopt;
}

struct ParsedLine {
  Checksum checksum;
  bool in_manifest;
  bool may_be_md5;
};

std::optional<ParsedLine> parse_line(std::string_view line) {
  const bool escaped = line.starts_with('\\');
  line.remove_prefix(escaped ? 1 : 0);
  const auto split = split_line(line);
  auto hex = split ? lowered(split->hex) : std::string();
  if (!split || hex.size() != split->algorithm->hex_digits || !is_hex(hex)) {
    return std::nullopt;
  }
  const bool in_manifest = split->form == Line::Form::kManifest;
  auto name = escaped && !in_manifest ? unescape(split->name) : std::string(split->name);
  if (!name || (escaped && in_manifest)) {
    return std::nullopt;
  }
  const bool may_be_md5 = split->form == Line::Form::kPlain && split->algorithm->id == DigestAlgorithm::kXxh128;
  return ParsedLine{{std::move(*name), split->algorithm->id, std::move(hex)}, in_manifest, may_be_md5};
}

// llama-gguf-hash names a tensor "PATH:tensor" and ends with lines that have PATH alone and are about all data; PATH
// may hold anything. In an excerpt that lacks these, a tensor's name is what stands behind the last colon. Lists of
// several files, as of a split model, have several PATHs: what they say of all data is about parts of the model, which
// the lines of the tensors cover.
void resolve_manifest_names(std::vector<Checksum>& manifest) {
  std::vector<std::span<Checksum>> files;
  for (auto left = std::span(manifest); !left.empty();) {
    const auto path = left.back().name;
    auto first = left.size();
    while (first > 0 && (left[first - 1].name == path || left[first - 1].name.starts_with(path + ':'))) {
      --first;
    }
    files.push_back(left.subspan(first));
    left = left.first(first);
  }
  for (const auto file : files) {
    const auto path = file.back().name;
    const bool is_excerpt =
        file.front().name == path && path.find(':') != std::string::npos && !path.ends_with(".gguf");
    for (auto& [name, algorithm, hex] : file) {
      if (name != path) {
        name = name.substr(path.size() + 1);
      } else if (is_excerpt) {
        name = name.substr(path.rfind(':') + 1);
      } else {
        name = files.size() == 1 ? kAllDataName : "";
      }
    }
  }
  std::erase_if(manifest, [](const Checksum& checksum) { return checksum.name.empty(); });
}

}  // namespace

std::string_view tag_of(DigestAlgorithm algorithm) {
  return std::ranges::find(kAlgorithms, algorithm, &Algorithm::id)->tag;
}

std::string format_checksum(const Checksum& checksum) {
  const bool escaped = needs_escape(checksum.name);
  return fmt::format("{}{}{}{}{}{}", escaped ? "\\" : "", tag_of(checksum.algorithm), kOpen,
                     escaped ? escape(checksum.name) : checksum.name, kMiddle, checksum.hex);
}

std::string format_checksums(const std::vector<Checksum>& checksums) {
  std::string text;
  for (const auto& checksum : checksums) {
    text += format_checksum(checksum) + '\n';
  }
  return text;
}

CheckFile parse_checkfile(std::string_view text) {
  CheckFile result;
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // Windows writes one
  text.remove_prefix(text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0);
  std::vector<Checksum> manifest;
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    // The UUID that llama-gguf-hash makes is a name of the model, which says nothing that its digests do not.
    if (line.empty() || line.starts_with('#') || line.starts_with("uuid ")) {
      continue;
    }
    if (auto parsed = parse_line(line)) {
      result.may_be_md5 = result.may_be_md5 || parsed->may_be_md5;
      (parsed->in_manifest ? manifest : result.checksums).push_back(std::move(parsed->checksum));
    } else {
      result.bad_lines.push_back(number);
    }
  }
  resolve_manifest_names(manifest);
  std::ranges::move(manifest, std::back_inserter(result.checksums));
  return result;
}

}  // namespace mtpgraft
