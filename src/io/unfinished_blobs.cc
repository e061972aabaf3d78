#include "io/unfinished_blobs.h"

#include <algorithm>

#include "util/text.h"

namespace mtpgraft {

std::vector<std::string> find_unfinished_blobs(const std::string& store, std::string_view digest,
                                               const FileSource& files) {
  const auto folder = store + "/blobs/";
  const auto names = files.list_folder(folder);
  std::vector<std::string> paths;
  for (const auto& name : names.ok() ? names.value() : std::vector<std::string>()) {
    if (name.starts_with(digest) && name.ends_with(".incomplete")) {
      paths.push_back(quoted_name(folder + name));
    }
  }
  std::ranges::sort(paths);
  return paths;
}

}  // namespace mtpgraft
