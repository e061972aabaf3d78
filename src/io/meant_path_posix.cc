#include "io/meant_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <iterator>
#include <system_error>
#include <vector>

#include "io/io_posix.h"
#include "io/unfinished_blobs.h"
#include "util/glob.h"
#include "util/hub_store.h"
#include "util/look_alikes.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/spelling.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::size_t kFoldersSearched = 100;
constexpr std::size_t kNamesMax = 10'000;  // of a folder that is looked through

std::string say(const Spelling& spelling) {
  return fmt::format("did you mean {}? {}", quoted_name(spelling.path), spelling.reason);
}

bool is_there(const std::string& path, FileSource& files) {
  const auto found = files.exists(path);
  return found.ok() && found.value();
}

std::string join(const std::string& folder, const std::string& name) {
  return folder == "." ? name : folder.ends_with('/') ? folder + name : folder + '/' + name;
}

std::string list_names(const std::string& folder, std::vector<std::string> names, std::string_view last) {
  std::ranges::transform(names, names.begin(), [&](const auto& name) { return quoted_name(join(folder, name)); });
  return list_some(names, last);
}

std::vector<std::string> sorted_names(const std::string& folder, const std::string& asked, const FileSource& files) {
  auto names = files.list_folder(folder);
  if (!names.ok() || names.value().size() > kNamesMax) {
    return {};
  }
  std::erase_if(names.value(), [&](const auto& name) { return name.starts_with('.') && !asked.starts_with('.'); });
  std::ranges::sort(names.value());
  return std::move(names).value();
}

struct NameParts {
  std::string stem;
  std::string ending;
};

// "Model" and ".gguf"; of a file of a split model "Model" and "-00001-of-00003.gguf".
NameParts split_name(const std::string& name) {
  auto end = std::min(name.rfind('.'), name.size());
  constexpr std::string_view kNumbers = "-00000-of-00000";
  const auto is_like = [](char a, char b) { return b == '0' ? a >= '0' && a <= '9' : a == b; };
  if (end > kNumbers.size() &&
      std::ranges::equal(std::string_view(name).substr(end - kNumbers.size(), kNumbers.size()), kNumbers, is_like)) {
    end -= kNumbers.size();
  }
  return {name.substr(0, end), name.substr(end)};
}

bool is_later_shard(const std::string& name) {
  const auto parts = split_name(name);
  return parts.ending.starts_with("-0") && !parts.ending.starts_with("-00001-");
}

// Without what people write in different ways.
std::string squeezed(const std::string& name) {
  auto letters = lowered(name);
  std::erase_if(letters, [](char c) { return std::string_view("-_. ").find(c) != std::string_view::npos; });
  return letters;
}

// The names that are nearest to one, by the first rule that any of them follows.
std::vector<std::string> nearest_among(const std::string& name, const std::vector<std::string>& names) {
  auto stem = split_name(name).stem;
  for (const auto ending = split_name(name).ending;
       !ending.empty() && stem.size() > ending.size() && stem.ends_with(ending);) {
    stem.resize(stem.size() - ending.size());
  }
  const std::vector<std::function<bool(const std::string&)>> rules{
      [&](const std::string& each) { return lowered(each) == lowered(name); },
      [&](const std::string& each) { return squeezed(split_name(each).stem) == squeezed(name); },
      [&](const std::string& each) { return squeezed(split_name(each).stem) == squeezed(stem); },
      [&](const std::string& each) {
        return !nearest(lowered(name), std::array{std::string_view(lowered(each))}).empty();
      },
      [&](const std::string& each) { return lowered(each).starts_with(lowered(name)); },
      [&](const std::string& each) {
        constexpr std::size_t kLettersMin = 4;
        return stem.size() >= kLettersMin && lowered(each).starts_with(lowered(stem));
      }};
  for (const auto& rule : rules) {
    std::vector<std::string> found;
    std::ranges::copy_if(names, std::back_inserter(found),
                         [&](const std::string& each) { return !is_later_shard(each) && rule(each); });
    if (!found.empty()) {
      return found;
    }
  }
  return {};
}

// Those with the same ending, if there are any: nobody means the list of checksums beside the model.
std::vector<std::string> nearest_names(const std::string& name, const std::vector<std::string>& names) {
  const auto ending = lowered(as_path(name).extension().string());
  std::vector<std::string> same_kind;
  std::ranges::copy_if(names, std::back_inserter(same_kind),
                       [&](const auto& each) { return !ending.empty() && lowered(each).ends_with(ending); });
  auto found = nearest_among(name, same_kind);
  return found.empty() ? nearest_among(name, names) : found;
}

std::string match_pattern(const std::string& path, const FileSource& files) {
  const auto folder = parent_of(path);
  const auto pattern = base_name(path);
  if (path.find_first_of("*?") == std::string::npos) {
    return "";
  }
  if (folder.find_first_of("*?") != std::string::npos) {
    return "a pattern in quotes is not expanded: leave the quotes out";
  }
  std::vector<std::string> found;
  for (auto& name : sorted_names(folder, pattern, files)) {
    if (matches_glob(pattern, name, LeadingPeriod::kOnlyPeriod)) {
      found.push_back(std::move(name));
    }
  }
  if (found.empty()) {
    return split_name(pattern).ending == ".gguf" ? fmt::format("nothing in '{}' matches this pattern", folder) : "";
  }
  return fmt::format("a pattern in quotes is not expanded; it matches {}", list_names(folder, found, " and "));
}

// Where a folder of the path is missing.
std::string look_for_folder(const std::string& path, FileSource& files) {
  // Relative for absolute, or seen from another folder.
  for (auto at = path.find('/'); at != std::string::npos && at + 1 < path.size(); at = path.find('/', at + 1)) {
    if (const auto rest = path.substr(at + 1); is_there(rest, files)) {
      return fmt::format("did you mean {}?", quoted_name(rest));
    }
  }
  if (!path.starts_with('/') && is_there('/' + path, files)) {
    return fmt::format("did you mean {}?", quoted_name('/' + path));
  }
  auto missing = parent_of(path);
  while (!is_there(parent_of(missing), files)) {
    missing = parent_of(missing);
  }
  if (is_there(missing, files)) {
    return fmt::format("'{}' is a file and no folder", missing);
  }
  const auto folder = parent_of(missing);
  const auto near = nearest_names(base_name(missing), sorted_names(folder, base_name(missing), files));
  std::vector<std::string> candidates{join(folder, base_name(path))};
  for (const auto& name : near) {
    candidates.push_back(join(folder, name) + path.substr(missing.size()));
  }
  for (const auto& meant : candidates) {
    if (is_there(meant, files)) {
      return fmt::format("did you mean {}?", quoted_name(meant));
    }
  }
  return near.empty() ? fmt::format("there is no folder '{}'", missing)
                      : fmt::format("there is no folder '{}', but {}", missing, list_names(folder, near, " and "));
}

std::string look_in_subfolders(const std::string& folder, const std::string& name,
                               const std::vector<std::string>& names, FileSource& files) {
  std::error_code ignored;
  if (std::filesystem::equivalent(as_path(folder), "/", ignored)) {
    return "";  // the whole system
  }
  std::size_t searched = 0;
  for (const auto& each : names) {
    const auto below = join(folder, each);
    if (searched < kFoldersSearched && files.is_folder(below) && is_same_disk(folder, below)) {
      ++searched;
      if (auto path = join(below, name); is_there(path, files)) {
        return path;
      }
    }
  }
  return "";
}

std::string look_in_folder(const std::string& path, FileSource& files) {
  const auto folder = parent_of(path);
  const auto name = base_name(path);
  const auto shard = split_name(name);
  if (is_later_shard(name) && is_there(join(folder, shard.stem + "-00001" + shard.ending.substr(6)), files)) {
    return "";  // a file of the model is missing, and the others are no help
  }
  const auto names = sorted_names(folder, name, files);
  if (const auto found = look_in_subfolders(folder, name, names, files); !found.empty()) {
    return fmt::format("did you mean {}?", quoted_name(found));
  }
  if (const auto near = nearest_names(name, names); !near.empty()) {
    return fmt::format("did you mean {}?", list_names(folder, near, " or "));
  }
  if (name.starts_with("models--")) {
    return "the cache of the Hugging Face Hub is ~/.cache/huggingface/hub, or where HF_HOME or HF_HUB_CACHE leads";
  }
  const auto own_ending = lowered(as_path(name).extension().string());
  const auto ending = own_ending.empty() ? ".gguf" : own_ending;
  std::vector<std::string> same_kind;
  std::ranges::copy_if(names, std::back_inserter(same_kind),
                       [&](const auto& each) { return lowered(each).ends_with(ending) && !is_later_shard(each); });
  const auto place = folder == "." ? "the current folder" : fmt::format("the folder '{}'", folder);
  if (own_ending == ".gguf" || !same_kind.empty()) {
    return same_kind.empty() ? fmt::format("{} has no {} file", place, ending)
                             : fmt::format("{} has {}", place, list_names(".", same_kind, " and "));
  }
  return "";
}

// "a.gguf b.gguf" and "a.gguf,b.gguf", if all of them are there.
std::vector<std::string> split_into_files(const std::string& path, FileSource& files) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find_first_of(" ,", at), path.size());
    if (end > at) {
      parts.push_back(path.substr(at, end - at));
      if (!is_there(parts.back(), files)) {
        return {};
      }
    }
    at = end + 1;
  }
  return parts;
}

// What has a meaning elsewhere and is no path; empty for all others.
std::string tell_no_path(const std::string& path) {
  if (path.starts_with("magnet:")) {
    return "a magnet link is for a BitTorrent program: download the file with one, and name that";
  }
  if (path.find("://") != std::string::npos && !lowered(path).starts_with("file:")) {
    return "of URLs only https://, http:// and hf:// can be read, and only of donors: download the file";
  }
  if (const auto end = path.find('%', 1); path.starts_with('%') && end != std::string::npos) {
    return fmt::format("{} is a variable of Windows; variables are written as $HOME here", path.substr(0, end + 1));
  }
  if (const auto brace = path.find('{'); brace != std::string::npos && path.find(',', brace) < path.find('}', brace)) {
    return "braces in quotes are not expanded: leave the quotes out";
  }
  const auto colon = path.find(':');
  if (colon == std::string::npos || colon < 2 || colon + 1 == path.size()) {
    return "";
  }
  if (const auto host = path.find('@'); host > 0 && host < colon && path.find('/') > colon) {
    return fmt::format("files of other machines are copied first: scp {} .", shell_quoted(path));
  }
  return path.find('/') == std::string::npos && !lowered(path).ends_with(".gguf")
             ? fmt::format(
                   "if a model of Ollama is meant: ollama show --modelfile {} prints the path of its file, after FROM",
                   shell_quoted(path))
             : "";
}

}  // namespace

std::string find_meant(const std::string& path, FileSource& files) {
  if (path.empty()) {
    return "the name is empty: is a variable of the shell not set?";
  }
  if (path == "-") {
    return "files are read at many offsets, which standard input does not have: save it to a file first";
  }
  const auto spelling = find_spelling(path, [&](const std::string& each) { return is_there(each, files); });
  if (spelling) {
    return say(*spelling);
  }
  if (auto kind = tell_no_path(path); !kind.empty()) {
    return kind;
  }
  if (auto parts = split_into_files(path, files); parts.size() > 1) {
    std::ranges::transform(parts, parts.begin(), [](const auto& part) { return shell_quoted(part); });
    return fmt::format("these are {} files, and quotes or a comma make one name of them: {}", parts.size(),
                       fmt::join(parts, " "));
  }
  if (path.size() > 2 && path[1] == ':' && (path[2] == '\\' || path[2] == '/')) {
    return "this is a path of Windows; under WSL its drive is a folder, as /mnt/c";
  }
  if (const auto typed = retype(path); !typed.what.empty() && typed.text.starts_with('-')) {
    return fmt::format("there is {} in it; if an option is meant: {}", typed.what.front(), typed.text);
  }
  std::error_code ignored;
  const auto link = std::filesystem::read_symlink(as_path(path), ignored);
  if (const std::string store(hub_store_of(real_path(parent_of(path)))); !store.empty()) {
    if (const auto blobs = find_unfinished_blobs(store, link.filename().string(), files); !blobs.empty()) {
      return fmt::format("its download is not done: {}; wait for it, or start it again", list_some(blobs, " and "));
    }
  }
  if (link.empty() && !hub_store_of(real_path(parent_of(path))).empty()) {
    return "the snapshot does not have it: fetch it with the program that filled the cache, as by hf download";
  }
  if (!link.empty()) {
    return fmt::format("it is a symbolic link to '{}', which is not there", link.string());
  }
  if (const auto reason = unexpanded(path); !reason.empty()) {
    return std::string(reason);  // what it stands for may be a secret
  }
  const auto certain = certain_spelling(path);
  const auto meant = certain ? certain->path : path;
  if (auto matches = match_pattern(meant, files); !matches.empty()) {
    return matches;
  }
  auto found = files.is_folder(parent_of(meant)) ? look_in_folder(meant, files) : look_for_folder(meant, files);
  return found.empty() && certain ? fmt::format("{}; '{}' is not there either", certain->reason, meant) : found;
}

bool has_near_folder(const std::string& path, FileSource& files) {
  const auto folder = parent_of(path);
  const auto above = parent_of(folder);
  return is_there(base_name(path), files) ||
         !nearest_names(base_name(folder), sorted_names(above, base_name(folder), files)).empty();
}

std::string find_meant_output(const std::string& path, FileSource& files) {
  const auto spelling = find_spelling(path, [&](const auto& each) { return files.is_folder(parent_of(each)); });
  return spelling ? say(*spelling) : "";
}

std::string advise_folder(const std::string& path, FileSource& files) {
  if (const auto reason = unexpanded(path); !reason.empty()) {
    return std::string(reason);
  }
  const auto certain = certain_spelling(path);
  const auto missing = parent_of(certain ? certain->path : path);
  auto above = missing;
  while (!is_there(above, files)) {
    above = parent_of(above);
  }
  return files.is_folder(above) ? fmt::format("make it first: mkdir -p {}", shell_quoted(missing))
                                : fmt::format("'{}' is a file and no folder", above);
}

}  // namespace mtpgraft
