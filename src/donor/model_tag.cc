#include "donor/model_tag.h"

#include <algorithm>
#include <map>

#include "mtpgraft/split.h"
#include "util/glob.h"
#include "util/parse.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kEnds = "-.";

// Without folder, number of a shard, and ".gguf".
std::string model_name(std::string_view file) {
  const auto shard = parse_shard_name(file);
  auto name = shard ? shard->prefix : std::string(file);
  name.erase(0, name.rfind('/') + 1);
  return name.ends_with(".gguf") ? name.substr(0, name.rfind('.')) : name;
}

std::vector<std::string> tags_of(std::string_view name) {
  std::vector<std::string> tags;
  while (!name.empty()) {
    const auto end = std::min(name.find_first_of(kEnds), name.size());
    tags.emplace_back(name.substr(0, end));
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return tags;
}

}  // namespace

bool is_tag(std::string_view name) {
  return !name.empty() && !is_pattern(name) && name.find('/') == std::string_view::npos && !name.ends_with(".gguf") &&
         !name.ends_with(".safetensors");
}

bool has_tag(std::string_view file, std::string_view tag) {
  const auto name = lowered(model_name(file));
  const auto wanted = lowered(tag);
  const auto is_end = [&](std::size_t at) {
    return at == name.size() || kEnds.find(name[at]) != std::string_view::npos;
  };
  for (auto at = name.find(wanted); at != std::string::npos; at = name.find(wanted, at + 1)) {
    if ((at == 0 || is_end(at - 1)) && is_end(at + wanted.size())) {
      return true;
    }
  }
  return false;
}

std::string nearest_tag(std::string_view tag, const std::vector<std::string>& files) {
  const auto wanted = lowered(tag);
  std::map<std::string, std::string> alike;  // in lower case, and as it is written
  for (const auto& file : files) {
    for (const auto& other : tags_of(model_name(file))) {
      const auto name = lowered(other);
      if (name.starts_with(wanted)) {
        return other;
      }
      // "Q4_K" is hardly meant for "Q8_0", though only two letters differ.
      if (name.substr(0, 2) == wanted.substr(0, 2)) {
        alike.emplace(name, other);
      }
    }
  }
  std::vector<std::string_view> names;
  names.reserve(alike.size());
  for (const auto& [name, other] : alike) {
    names.push_back(name);
  }
  const auto found = alike.find(std::string(nearest(wanted, names)));
  return found != alike.end() ? found->second : "";
}

}  // namespace mtpgraft
