#include "mtpgraft/output_name.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "mtpgraft/split.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kSeparators = "-._";

std::string upper(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

// How releases name a quantisation: Q4_K_M, IQ3_XXS, UD-Q4_K_XL, BF16, MXFP4_MOE. In upper case.
bool is_quantisation(std::string_view name) {
  constexpr auto kStarts = std::to_array<std::string_view>({"IQ", "TQ", "Q", "BF16", "F16", "F32", "MXFP4", "NVFP4"});
  if (name.starts_with("UD-")) {
    name.remove_prefix(3);
  }
  const auto* start = std::ranges::find_if(kStarts, [&](std::string_view each) { return name.starts_with(each); });
  if (start == kStarts.end()) {
    return false;
  }
  const auto rest = name.substr(start->size());
  const bool needs_digit = start->ends_with('Q');
  return (!needs_digit || (!rest.empty() && std::isdigit(static_cast<unsigned char>(rest.front())) != 0)) &&
         std::ranges::all_of(rest, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

// Where the separator before the quantisation stands, or the end.
std::size_t find_quantisation(std::string_view stem) {
  for (auto at = stem.find_first_of(kSeparators); at != std::string_view::npos;
       at = stem.find_first_of(kSeparators, at + 1)) {
    if (is_quantisation(stem.substr(at + 1))) {
      return at;
    }
  }
  return stem.size();
}

bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t from = 0; from <= text.size();) {
    const auto to = std::min(text.find_first_of(kSeparators, from), text.size());
    if (text.substr(from, to - from) == word) {
      return true;
    }
    from = to + 1;
  }
  return false;
}

}  // namespace

std::string default_output_path(const std::string& target_path, std::size_t file_count) {
  const auto shard = parse_shard_name(target_path);
  const auto path = as_path(shard ? shard->prefix + ".gguf" : target_path);
  const bool has_extension = path.extension() == ".gguf";
  auto stem = has_extension ? path.stem().string() : path.filename().string();
  const auto name = upper(stem);
  if (!has_word(name, "MTP")) {
    stem.insert(find_quantisation(name), "-MTP");
  }
  return first_output_path((path.parent_path() / as_path(stem + ".gguf")).string(), file_count);
}

std::string quantisation_in_name(const std::string& path) {
  const auto shard = parse_shard_name(path);
  const auto name = as_path(shard ? shard->prefix : path);
  const auto stem = (name.extension() == ".gguf" ? name.stem() : name.filename()).string();
  const auto at = find_quantisation(upper(stem));
  return at == stem.size() ? "" : stem.substr(at + 1);
}

std::string first_output_path(const std::string& path, std::size_t file_count) {
  if (file_count == 1 || parse_shard_name(path)) {
    return path;
  }
  const std::string_view extension = path.ends_with(".gguf") ? ".gguf" : "";
  return format_shard_name({path.substr(0, path.size() - extension.size()), 1, file_count});
}

}  // namespace mtpgraft
