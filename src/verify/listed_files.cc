#include "verify/listed_files.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "util/parse.h"
#include "util/stored_name.h"

namespace mtpgraft {
namespace {

// What models are published with. A tensor's name ends in "weight" or "bias".
constexpr auto kFileEndings = std::to_array<std::string_view>(
    {".gguf", ".safetensors", ".json", ".jinja", ".txt", ".md", ".bin", ".sums", ".sha256", ".zip", ".gz"});

bool looks_like_file(std::string_view name) {
  const auto lower = lowered(name);
  return std::ranges::any_of(kFileEndings, [&](std::string_view ending) { return lower.ends_with(ending); });
}

// How many parts two paths have in common at their ends.
std::size_t common_parts(std::string_view a, std::string_view b) {
  std::size_t parts = 0;
  while (!a.empty() && !b.empty() && last_part(a) == last_part(b)) {
    ++parts;
    a.remove_suffix(std::min(a.size(), last_part(a).size() + 1));
    b.remove_suffix(std::min(b.size(), last_part(b).size() + 1));
  }
  return parts;
}

}  // namespace

FilesOfLines find_listed_files(const GgufFile& gguf, std::vector<Checksum>& checksums, std::string& first_other) {
  std::unordered_map<std::string_view, std::size_t> file_names;
  for (std::size_t i = 0; i < gguf.files.size(); ++i) {
    file_names.emplace(last_part(gguf.files[i].path), i);
  }
  std::unordered_set<std::string_view> tensors{kMetadataName, kAllDataName};
  for (const auto& tensor : gguf.tensors) {
    tensors.insert(tensor.name);
  }
  FilesOfLines files(checksums.size());
  const auto parts_of = [&](std::size_t line) {
    return common_parts(checksums[line].name, gguf.files[*files[line]].path);
  };
  std::vector<std::size_t> most_parts(gguf.files.size(), 0);
  bool has_tensor = false;
  bool has_file = false;
  for (std::size_t i = 0; i < checksums.size(); ++i) {
    const auto& name = checksums[i].name;
    if (const auto found = file_names.find(last_part(name)); found != file_names.end()) {
      files[i] = found->second;
      most_parts[*files[i]] = std::max(most_parts[*files[i]], parts_of(i));
    }
    has_tensor = has_tensor || (!files[i] && tensors.contains(name));
    has_file = has_file || files[i] || looks_like_file(name);
  }
  // In a list of files all that is no tensor's is a file's, also LICENSE.
  const auto is_other = [&](std::size_t line) {
    const auto& name = checksums[line].name;
    return files[line] ? parts_of(line) < most_parts[*files[line]]
                       : !tensors.contains(name) && ((has_file && !has_tensor) || looks_like_file(name));
  };
  std::size_t kept = 0;
  for (std::size_t i = 0; i < checksums.size(); ++i) {
    if (is_other(i)) {
      first_other = first_other.empty() ? checksums[i].name : first_other;
      continue;
    }
    if (kept != i) {
      checksums[kept] = std::move(checksums[i]);
      files[kept] = files[i];
    }
    ++kept;
  }
  checksums.resize(kept);
  files.resize(kept);
  return files;
}

}  // namespace mtpgraft
