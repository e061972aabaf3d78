#include "gguf/snapshot.h"

#include <fmt/core.h>

#include <algorithm>

#include "gguf/foreign.h"
#include "mtpgraft/split.h"
#include "net/hub_cache.h"
#include "util/parse.h"
#include "util/stored_name.h"
#include "util/text.h"

namespace mtpgraft {

bool is_model_name(std::string_view path) {
  const auto name = lowered(last_part(path));
  return name.ends_with(".gguf") && !name.starts_with("._") && name.find("mmproj") == std::string::npos &&
         name.find("imatrix") == std::string::npos && !is_later_shard(path);
}

bool is_sidecar_name(std::string_view path) { return lowered(last_part(path)).starts_with("mtp-"); }

std::vector<std::string> list_snapshot_models(const std::string& snapshot, const FileSource& files) {
  std::vector<std::string> paths;
  for (const auto& name : list_snapshot(snapshot, files)) {
    if (is_model_name(name)) {
      paths.push_back(fmt::format("{}{}{}", snapshot, snapshot.ends_with('/') ? "" : "/", name));
    }
  }
  return paths;
}

Result<std::string> find_model(const std::string& path, FileSource& files) {
  if (!files.is_folder(path)) {
    return path;
  }
  MTPGRAFT_TRY(const auto snapshot, find_snapshot_folder(path, files));
  auto models = snapshot ? list_snapshot_models(*snapshot, files) : std::vector<std::string>();
  // Sidecars are meant only where there is nothing else.
  const auto sidecars =
      std::stable_partition(models.begin(), models.end(), [](const auto& model) { return !is_sidecar_name(model); });
  if (sidecars != models.begin()) {
    models.erase(sidecars, models.end());
  }
  if (models.size() == 1) {
    return models.front();
  }
  if (models.empty()) {
    return refuse_folder(snapshot.value_or(path), files);
  }
  const auto count = models.size();
  return Error{.code = ErrorCode::kUsage,
               .message = fmt::format("is not one model, but a folder of the Hugging Face cache with {}", count),
               .path = path,
               .hint = "name one of them",
               .details = std::move(models),
               .file_kind = FileKind::kHubCache};
}

}  // namespace mtpgraft
