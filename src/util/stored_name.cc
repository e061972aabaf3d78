#include "util/stored_name.h"

#include <algorithm>

#include "util/parse.h"

namespace mtpgraft {
namespace {

// Empty if the path does not end so, or is no more than that.
std::string_view without_ending(std::string_view path, std::string_view ending) {
  const auto name = last_part(path);
  const bool has_it = name.size() > ending.size() && lowered(name).ends_with(lowered(ending));
  return has_it ? path.substr(0, path.size() - ending.size()) : std::string_view();
}

}  // namespace

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string_view without_partial_endings(std::string_view path) {
  for (const auto ending : kPartialEndings) {
    if (const auto shorter = without_ending(path, ending); !shorter.empty()) {
      return without_partial_endings(shorter);
    }
  }
  return path;
}

std::string_view without_gguf_extension(std::string_view path) {
  const auto shorter = without_ending(path, ".gguf");
  return shorter.empty() ? path : shorter;
}

bool is_digest_name(std::string_view path) {
  constexpr std::size_t kSha1Digits = 40;
  constexpr std::size_t kSha256Digits = 64;
  const auto name = lowered(last_part(without_gguf_extension(without_partial_endings(path))));
  std::string_view digits = name;
  for (const std::string_view algorithm : {"sha256-", "sha256:"}) {
    if (digits.starts_with(algorithm)) {
      digits.remove_prefix(algorithm.size());
    }
  }
  return (digits.size() == kSha1Digits || digits.size() == kSha256Digits) && is_hex(digits);
}

}  // namespace mtpgraft
