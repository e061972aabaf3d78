#include "net/hub_cache.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "io/directory.h"
#include "io/unfinished_blobs.h"
#include "util/environment.h"
#include "util/hub_store.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

// A snapshot has some folders, and some hundreds of files. Nobody is to be kept waiting by a hostile one.
constexpr int kFoldersDeepMax = 8;
constexpr std::size_t kFilesMax = 20'000;

std::vector<std::string> sorted_names(const std::string& folder, const FileSource& files) {
  auto names = files.list_folder(folder);
  if (!names.ok()) {
    return {};
  }
  std::ranges::sort(names.value());
  return std::move(names).value();
}

void add_files(const std::string& root, const std::string& folder, int depth, const FileSource& files,
               std::vector<std::string>& names) {
  const auto path = folder.empty() ? root : fmt::format("{}/{}", root, folder);
  for (const auto& name : sorted_names(path, files)) {
    const auto whole_name = folder.empty() ? name : fmt::format("{}/{}", folder, name);
    const auto whole_path = fmt::format("{}/{}", path, name);
    if (names.size() == kFilesMax) {
      return;
    }
    if (!files.is_folder(whole_path)) {
      names.push_back(whole_name);
    } else if (depth < kFoldersDeepMax && files.check_inside(path, whole_path).ok()) {
      add_files(root, whole_name, depth + 1, files, names);
    }
  }
}

std::string read_commit(const std::string& path, FileSource& files) {
  constexpr std::size_t kBytesMax = 64;
  if (const auto is_there = files.exists(path); !is_there.ok() || !is_there.value()) {
    return {};
  }
  const auto file = files.open(path);
  if (!file.ok() || file.value()->size() > kBytesMax) {
    return {};
  }
  std::string text(file.value()->size(), '\0');
  if (!file.value()->read_at(0, std::as_writable_bytes(std::span(text))).ok()) {
    return {};
  }
  text.erase(text.find_last_not_of(" \r\n") + 1);
  return is_commit(text) ? text : "";
}

// The commit that a revision (empty: main) had; without refs/main that of the only snapshot. Empty if there is none.
std::string find_main(const std::string& store, const std::string& revision, FileSource& files) {
  auto commit = read_commit(fmt::format("{}/refs/{}", store, revision.empty() ? "main" : revision), files);
  if (!commit.empty() || !revision.empty()) {
    return commit;
  }
  const auto commits = sorted_names(store + "/snapshots", files);
  return commits.size() == 1 && is_commit(commits.front()) ? commits.front() : "";
}

Error unfinished(const std::string& path, std::string_view what, const std::vector<std::string>& blobs,
                 const std::string& fetch) {
  return {.code = ErrorCode::kIo,
          .message = fmt::format("{} is still being fetched to the Hugging Face cache, or that was interrupted: {}",
                                 what, list_some(blobs, " and ")),
          .path = path,
          .hint = fmt::format("wait for it, or let it be completed: {}", fetch),
          .is_retryable = true};
}

// Without a commit it is main, without a name all files.
std::string fetch_command(std::string_view repository, std::string_view commit, std::string_view file) {
  const auto files = file.empty() ? "" : fmt::format(" {}", shell_quoted(file));
  return commit.empty() ? fmt::format("hf download {}{}", repository, files)
                        : fmt::format("hf download {} --revision {}{}", repository, commit, files);
}

// "~" is for shells, but huggingface_hub knows it, too.
std::string directory_of(const char* variable) {
  auto value = environment(variable);
  return value.starts_with("~/") ? environment("HOME") + value.substr(1) : value;
}

}  // namespace

std::string hub_home_directory() {
  auto home = directory_of("HF_HOME");
  if (home.empty()) {
    const auto cache = user_cache_directory();
    home = cache.empty() ? "" : cache + "/huggingface";
  }
  return home;
}

std::string hub_cache_directory() {
  for (const auto* const variable : {"LLAMA_CACHE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (auto directory = directory_of(variable); !directory.empty()) {
      return directory;
    }
  }
  const auto home = hub_home_directory();
  return home.empty() ? "" : home + "/hub";
}

std::string HubCache::store_of(const HubPath& path) const { return directory_ + '/' + hub_store_name(path.repository); }

std::string HubCache::find_commit(const HubPath& path) const {
  if (directory_.empty()) {
    return {};
  }
  const auto snapshots = store_of(path) + "/snapshots";
  auto commit = is_commit(path.revision) ? path.revision : find_main(store_of(path), path.revision, files_);
  const auto folder = fmt::format("{}/{}", snapshots, commit);
  return !commit.empty() && files_.is_folder(folder) && files_.check_inside(snapshots, folder).ok() ? commit : "";
}

std::optional<Repository> HubCache::find_snapshot(const HubPath& path, const std::string& commit) const {
  const auto folder = fmt::format("{}/snapshots/{}", store_of(path), commit);
  Repository repository{path.repository_path(), commit, {}, false};
  for (auto& name : list_snapshot(folder, files_)) {
    const auto file = files_.open(fmt::format("{}/{}", folder, name));
    repository.files.push_back({std::move(name), file.ok() ? file.value()->size() : 0, {}, {}});
  }
  return repository.files.empty() ? std::nullopt : std::optional(std::move(repository));
}

Result<std::string> HubCache::find_file(const HubPath& path, const std::string& commit,
                                        const RepositoryFile& file) const {
  const auto store = store_of(path);
  auto in_snapshot = fmt::format("{}/snapshots/{}/{}", store, commit, file.name);
  const auto folder = parent_of(in_snapshot);
  // Also a link that leads nowhere: opening it says so.
  if (std::ranges::binary_search(list_snapshot(fmt::format("{}/snapshots/{}", store, commit), files_), file.name)) {
    const auto inside = files_.check_inside(folder, in_snapshot);
    return !inside.ok() && inside.error().code == ErrorCode::kRefused ? Result<std::string>(inside.error())
                                                                      : std::move(in_snapshot);
  }
  for (const auto& digest : {file.sha256, file.blob_id}) {
    if (digest.empty() || !is_hex(digest)) {
      continue;
    }
    auto blob = fmt::format("{}/blobs/{}", store, digest);
    MTPGRAFT_TRY(const bool is_there, files_.exists(blob));
    if (is_there) {
      return blob;
    }
    if (const auto blobs = find_unfinished_blobs(store, digest, files_); !blobs.empty()) {
      return unfinished(path.repository_path(), quoted_name(file.name), blobs,
                        fetch_command(path.repository, commit, file.name));
    }
  }
  return std::string();
}

Result<std::unique_ptr<ReadableFile>> HubCache::open(const HubPath& path, const std::string& commit,
                                                     const RepositoryFile& file) const {
  if (directory_.empty()) {
    return std::unique_ptr<ReadableFile>();
  }
  MTPGRAFT_TRY(const auto found, find_file(path, commit, file));
  if (found.empty()) {
    return std::unique_ptr<ReadableFile>();
  }
  const auto mend = fmt::format("'{}' fetches it again", fetch_command(path.repository, commit, file.name));
  auto opened = files_.open(found);
  if (!opened.ok()) {
    auto& error = opened.error();
    error.hint = error.hint.empty() ? mend : fmt::format("{}; {}", error.hint, mend);
    return std::move(error);
  }
  if (const auto size = opened.value()->size(); file.size > 0 && size != file.size) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("has {} bytes, and the hub's file has {}", size, file.size),
                 .path = found,
                 .hint = fmt::format("remove it; {}", mend)};
  }
  return opened;
}

Error HubCache::explain_missing(const HubPath& path, const std::string& commit, const std::string& name) const {
  const auto fetch = fetch_command(path.repository, commit, name);
  if (const auto blobs = find_unfinished_blobs(store_of(path), "", files_); !blobs.empty()) {
    return unfinished(path.repository_path(),
                      name.empty() ? "some of it" : fmt::format("{} is not there, and some of it", quoted_name(name)),
                      blobs, fetch);
  }
  return {.code = ErrorCode::kIo,
          .message = fmt::format("{} is not in the Hugging Face cache, and HF_HUB_OFFLINE forbids to ask the hub",
                                 name.empty() ? "it" : quoted_name(name)),
          .path = path.repository_path(),
          .hint = fmt::format("'{}' fetches it where that is allowed", fetch)};
}

Result<std::optional<std::string>> find_snapshot_folder(const std::string& folder, FileSource& files) {
  const auto real = real_path(folder);
  const std::string store(hub_store_of(real));
  if (store.empty() || !files.is_folder(folder)) {
    return std::optional<std::string>();
  }
  const auto snapshots = store + "/snapshots";
  if (real != store && real != snapshots) {
    return std::optional(folder);
  }
  if (const auto commit = read_commit(store + "/refs/main", files);
      files.is_folder(snapshots + '/' + commit) && !commit.empty()) {
    return std::optional(snapshots + '/' + commit);
  }
  auto commits = sorted_names(snapshots, files);
  if (commits.size() == 1) {
    return std::optional(snapshots + '/' + commits.front());
  }
  const auto repository = hub_store_repository(base_name(store));
  if (commits.empty()) {
    const auto fetch = fetch_command(repository, "", "");
    if (const auto blobs = find_unfinished_blobs(store, "", files); !blobs.empty()) {
      return unfinished(folder, "what is in it", blobs, fetch);
    }
    return Error{.code = ErrorCode::kIo,
                 .message = "is a repository in the cache of the Hugging Face Hub, and has no snapshot",
                 .path = folder,
                 .hint = fmt::format("'{}' fetches it", fetch),
                 .file_kind = FileKind::kHubCache};
  }
  for (auto& commit : commits) {
    commit = fmt::format("{}/{}", snapshots, commit);
  }
  const auto count = commits.size();
  return Error{.code = ErrorCode::kUsage,
               .message = fmt::format("is a repository in the cache of the Hugging Face Hub with {} snapshots", count),
               .path = folder,
               .hint = "name one of them",
               .details = std::move(commits),
               .file_kind = FileKind::kHubCache};
}

std::vector<std::string> list_snapshot(const std::string& folder, const FileSource& files) {
  std::vector<std::string> names;
  add_files(folder, "", 0, files, names);
  std::ranges::sort(names);
  return names;
}

}  // namespace mtpgraft
