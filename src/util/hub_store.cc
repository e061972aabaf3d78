#include "util/hub_store.h"

#include <algorithm>

namespace mtpgraft {
namespace {

constexpr std::string_view kPrefix = "models--";

}  // namespace

std::string hub_store_name(std::string_view repository) {
  const auto slash = std::min(repository.find('/'), repository.size());
  std::string name(kPrefix);
  name += repository.substr(0, slash);
  if (slash < repository.size()) {
    name.append("--").append(repository.substr(slash + 1));
  }
  return name;
}

std::string hub_store_repository(std::string_view name) {
  if (!name.starts_with(kPrefix)) {
    return {};
  }
  name.remove_prefix(kPrefix.size());
  const auto dashes = name.find("--");
  return dashes == std::string_view::npos
             ? std::string(name)
             : std::string(name.substr(0, dashes)).append("/").append(name.substr(dashes + 2));
}

std::string_view hub_store_of(std::string_view path) {
  for (std::size_t from = 0; from < path.size();) {
    const auto to = std::min(path.find('/', from), path.size());
    const auto behind = path.substr(std::min(to + 1, path.size()));
    const bool is_store = path.substr(from, to - from).starts_with(kPrefix) &&
                          (behind.empty() || behind == "snapshots" || behind.starts_with("snapshots/"));
    if (is_store) {
      return path.substr(0, to);
    }
    from = to + 1;
  }
  return {};
}

}  // namespace mtpgraft
