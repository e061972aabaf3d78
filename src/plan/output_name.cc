#include "mtpgraft/output_name.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <optional>
#include <string_view>

#include "mtpgraft/split.h"
#include "util/hub_store.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/stored_name.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kSeparators = "-._";
constexpr std::string_view kSafetensors = ".safetensors";

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

// The text without the word, in any case of letters, and the separator that it then has too many.
std::string without_word(std::string text, std::string_view word) {
  for (std::size_t from = 0; from <= text.size();) {
    const auto to = std::min(text.find_first_of(kSeparators, from), text.size());
    if (upper(std::string_view(text).substr(from, to - from)) != word) {
      from = to + 1;
    } else if (from > 0) {
      text.erase(from - 1, to - from + 1);
    } else {
      text.erase(0, to + 1);
    }
  }
  return text;
}

// The name of a model in several files, also if upper case has come into it.
std::optional<ShardName> find_shard_name(std::string_view path) {
  auto shard = parse_shard_name(lowered(path));
  if (shard) {
    shard->prefix = path.substr(0, shard->prefix.size());
  }
  return shard;
}

// The path without what tells that it is a GGUF, one of several, or not complete.
std::string stem_path(std::string_view path) {
  path = without_partial_endings(path);
  const auto shard = find_shard_name(path);
  return shard ? shard->prefix : std::string(without_gguf_extension(path));
}

bool is_below_blobs(const std::filesystem::path& path) {
  const auto directory = path.parent_path();
  return std::ranges::any_of(directory, [](const auto& part) { return part == "blobs"; });
}

// The text as a file name that every file system takes, and that looks like those of other models; may be empty.
std::string as_file_name(std::string_view text) {
  constexpr std::string_view kForbidden = R"( /\:*?"<>|)";
  constexpr std::size_t kBytesMax = 120;  // most file systems allow 255, and more words come behind it
  std::string name;
  for (const char c : printable(text)) {
    if (kForbidden.find(c) == std::string_view::npos) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  name.erase(0, name.find_first_not_of(".-"));
  name.resize(std::min(name.size(), kBytesMax));
  while (!name.empty() && !is_utf8(name)) {
    name.pop_back();  // of a character that was cut
  }
  name.resize(name.find_last_not_of(".-") + 1);
  return name;
}

// "Base" of "mtp-Base-Q8_0.gguf" and of "models--OWNER--Base"; may be empty.
std::string model_in_name(const std::string& name) {
  const auto repository = hub_store_repository(name);
  auto stem = without_word(stem_path(repository.empty() ? name : last_part(repository)), "MTP");
  stem.resize(find_quantisation(upper(stem)));
  return as_file_name(stem);
}

}  // namespace

std::string default_output_path(const std::string& target_path, std::size_t file_count) {
  const auto path = as_path(stem_path(target_path));
  auto stem = path.filename().string();
  const auto name = upper(stem);
  if (!has_word(name, "MTP")) {
    stem.insert(find_quantisation(name), "-MTP");
  }
  return first_output_path((path.parent_path() / as_path(stem + ".gguf")).string(), file_count);
}

std::string head_file_name(const std::string& model_path, std::string_view type) {
  auto path = as_path(model_path);
  auto name = path.filename().string();
  const bool is_part = lowered(name).ends_with(kSafetensors);
  if (is_part) {
    name = name.substr(0, name.size() - kSafetensors.size()) + ".gguf";
  }
  auto model = model_in_name(name);
  // What is called as in every checkpoint, or by a commit, is told apart by its folder.
  while ((is_part && (model.empty() || model == "model")) || is_digest_name(model)) {
    const auto here = path.string();
    const auto store = hub_store_of(here);
    path = store.empty() || store == here ? path.parent_path() : as_path(store);
    if (!path.has_filename()) {
      break;
    }
    model = model_in_name(path.filename().string());
  }
  return fmt::format("mtp-{}-{}.gguf", model.empty() || is_digest_name(model) ? "model" : model, as_file_name(type));
}

std::string naming_path(const std::string& target_path, const std::string& real_path, std::string_view model_name) {
  const bool is_link = real_path != target_path;
  if (!is_digest_name(real_path) && !(is_link && is_below_blobs(as_path(real_path))) &&
      hub_store_of(real_path).empty()) {
    return target_path;
  }
  if (!is_digest_name(target_path)) {
    return base_name(target_path);
  }
  const auto name = as_file_name(without_gguf_extension(model_name));
  return name.empty() || is_digest_name(name) ? "model.gguf" : name + ".gguf";
}

std::string quantisation_in_name(const std::string& path) {
  const auto stem = as_path(stem_path(path)).filename().string();
  const auto at = find_quantisation(upper(stem));
  return at == stem.size() ? "" : stem.substr(at + 1);
}

std::string first_output_path(const std::string& path, std::size_t file_count) {
  if (file_count == 1) {
    return path;
  }
  const auto shard = find_shard_name(path);
  return format_shard_name(shard ? *shard : ShardName{std::string(without_gguf_extension(path)), 1, file_count});
}

}  // namespace mtpgraft
