#include "verify/wrong_list.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "gguf/foreign.h"
#include "util/lines.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

// What is not computed here. Of the same number of digits the first is the one that is used most.
struct OtherAlgorithm {
  std::string_view name;
  std::string_view tag;  // in lists of the form "TAG (NAME) = DIGEST"
  std::size_t hex_digits;
  std::string_view program;
};

constexpr auto kOtherAlgorithms = std::to_array<OtherAlgorithm>({
    {"MD5", "MD5", 32, "md5sum"},
    {"SHA-224", "SHA224", 56, "sha224sum"},
    {"SHA-384", "SHA384", 96, "sha384sum"},
    {"SHA-512", "SHA512", 128, "sha512sum"},
    {"BLAKE2b", "BLAKE2b", 128, "b2sum"},
});

constexpr std::string_view kSpaces = " \t\r";
constexpr std::size_t kMd5Digits = 32;
constexpr std::size_t kLooksAtBytes = 65536;

std::string_view trimmed(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(kSpaces), line.size()));
  return line.substr(0, line.find_last_not_of(kSpaces) + 1);
}

bool is_digest(std::string_view word) {
  constexpr auto kDigits = std::to_array<std::size_t>({32, 40, 56, 64, 96, 128});
  return std::ranges::find(kDigits, word.size()) != kDigits.end() && is_hex(lowered(word));
}

// Of "DIGEST  NAME" and "TAG (NAME) = DIGEST".
const OtherAlgorithm* algorithm_of(std::string_view line, const std::string& list_path) {
  const auto word = line.substr(0, line.find(' '));
  if (line.substr(word.size()).starts_with(" (")) {
    const auto* found = std::ranges::find(kOtherAlgorithms, word, &OtherAlgorithm::tag);
    return found != kOtherAlgorithms.end() ? found : nullptr;
  }
  if (!is_digest(word) || word.size() + 2 >= line.size() ||
      (line[word.size() + 1] != ' ' && line[word.size() + 1] != '*')) {
    return nullptr;
  }
  const bool is_blake2 = lowered(base_name(list_path)).find("b2") != std::string::npos;
  const auto* found = std::ranges::find_if(kOtherAlgorithms, [&](const OtherAlgorithm& each) {
    return each.hex_digits == word.size() && (!is_blake2 || each.program == "b2sum");
  });
  return found != kOtherAlgorithms.end() ? found : nullptr;
}

// "cd DIR && sha512sum -c LIST": the names in a list are mostly seen from where it stands.
std::string command_for(std::string_view program, const std::string& list_path) {
  if (list_path == "-") {
    return fmt::format("{} -c", program);
  }
  const auto folder = parent_of(list_path);
  return fmt::format("{}{} -c {}", folder == "." ? "" : fmt::format("cd {} && ", shell_quoted(folder)), program,
                     shell_quoted(base_name(list_path)));
}

Error malformed(std::string message, const std::string& list_path, std::string hint) {
  return {.code = ErrorCode::kMalformed, .message = std::move(message), .path = list_path, .hint = std::move(hint)};
}

Error refuse_algorithm(const OtherAlgorithm& algorithm, bool is_tagged, const std::string& list_path) {
  const bool is_either = !is_tagged && algorithm.name == "SHA-512";
  auto hint = command_for(algorithm.program, list_path) + " checks it";
  if (is_either) {
    hint += fmt::format("; if it is of BLAKE2b, {} does", command_for("b2sum", list_path));
  }
  auto error = malformed(fmt::format("its checksums are {}{}, which mtpgraft does not compute", algorithm.name,
                                     is_either ? " or BLAKE2b" : ""),
                         list_path, std::move(hint));
  error.code = ErrorCode::kUnsupported;
  return error;
}

// "3915528286 1234 NAME", two numbers and a name.
bool is_of_cksum(std::string_view line) {
  const auto sum = take_number<std::uint64_t>(line);
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  return sum && take_number<std::uint64_t>(line) && line.starts_with(' ') && line.size() > 1;
}

struct FoundDigest {
  std::uint64_t line;
  std::string digest;
  bool is_alone;   // there is nothing else in its line
  bool is_models;  // the model's name is
};

// Words that can be nothing but digests, wherever they stand; also of certutil, which parted the bytes by spaces.
std::vector<FoundDigest> find_digests(const std::vector<std::string_view>& lines, const std::string& model_path) {
  std::vector<FoundDigest> found;
  const auto is_letter = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto line = trimmed(lines[i]);
    const bool is_models = line.find(base_name(model_path)) != std::string_view::npos;
    std::string joined(line);
    std::erase(joined, ' ');
    if (is_digest(joined)) {
      found.push_back({i + 1, joined, true, is_models});
      continue;
    }
    for (auto word = line.begin(); word != line.end();) {
      const auto end = std::find_if_not(word, line.end(), is_letter);
      if (is_digest({word, end})) {
        found.push_back({i + 1, std::string(word, end), false, is_models});
      }
      word = std::find_if(end, line.end(), is_letter);
    }
  }
  return found;
}

// "echo 'DIGEST  MODEL' | sha512sum -c"; or how to make a list of it.
std::string command_with(const std::string& digest, const std::string& model_path, std::string_view list_of) {
  const auto echo = fmt::format("echo {}", shell_quoted(digest + "  " + model_path));
  auto list = fmt::format("{} > NEW.sums makes a list of it", echo);
  const auto* other = std::ranges::find(kOtherAlgorithms, digest.size(), &OtherAlgorithm::hex_digits);
  if (other == kOtherAlgorithms.end()) {
    return list;
  }
  const auto check = fmt::format("{} | {} -c", echo, other->program);
  return digest.size() != kMd5Digits || lowered(list_of).find("md5") != std::string::npos
             ? check
             : fmt::format("{}; if it is an XXH128 and no MD5: {}", check, list);
}

Error explain_digests(const std::vector<FoundDigest>& digests, std::string_view text, const std::string& list_path,
                      const std::string& model_path) {
  const auto& first = digests.front();
  const auto message = first.is_alone
                           ? fmt::format("line {} has a digest and no name of a file", first.line)
                           : fmt::format("line {} has a digest, and is not of the form 'DIGEST  NAME'", first.line);
  const auto is_models = [](const FoundDigest& each) { return each.is_models; };
  const auto* meant = digests.size() == 1 && text.size() <= kLooksAtBytes ? &first : nullptr;
  if (std::ranges::count_if(digests, is_models) == 1) {
    meant = &*std::ranges::find_if(digests, is_models);
  }
  return malformed(message, list_path,
                   meant == nullptr || is_remote(model_path)
                       ? "write each line as 'DIGEST  NAME', with two spaces, as sha256sum does"
                       : fmt::format("if it is that of '{}': {}", base_name(model_path),
                                     command_with(meant->digest, model_path,
                                                  list_path + std::string(text.substr(0, kLooksAtBytes)))));
}

}  // namespace

bool names_md5(const std::string& list_path) { return lowered(base_name(list_path)).find("md5") != std::string::npos; }

Error explain_wrong_list(std::string_view text, const std::string& list_path, const std::string& model_path) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    return malformed("it is UTF-16", list_path, "save it as UTF-8");
  }
  const auto lines = lines_of(text.substr(0, kLooksAtBytes));
  for (const auto line : lines) {
    if (const auto* algorithm = algorithm_of(trimmed(line), list_path); algorithm != nullptr) {
      return refuse_algorithm(*algorithm, !is_digest(line.substr(0, line.find(' '))), list_path);
    }
  }
  if (auto foreign = find_foreign(text, text.size(), list_path, "a list of checksums"); foreign && !text.empty()) {
    return std::move(*foreign);
  }
  if (std::ranges::any_of(lines, is_of_cksum)) {
    return malformed("its numbers are those of cksum or sum, which mtpgraft does not compute", list_path,
                     fmt::format("cksum {0} or sum {0} prints what to compare them with", shell_quoted(model_path)));
  }
  if (const auto digests = find_digests(lines, model_path); !digests.empty()) {
    return explain_digests(digests, text, list_path, model_path);
  }
  return Error{.code = ErrorCode::kMalformed,
               .message = "no line of it is a checksum",
               .path = list_path,
               .remedy = Remedy::kMakeList};
}

}  // namespace mtpgraft
