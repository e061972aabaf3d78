// What huggingface_hub and llama.cpp have fetched of the Hugging Face Hub (util/hub_store.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/remote.h"
#include "mtpgraft/result.h"
#include "net/hub.h"

namespace mtpgraft {

// Where it is: the first that is set of LLAMA_CACHE, HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub,
// XDG_CACHE_HOME/huggingface/hub and HOME/.cache/huggingface/hub, as for llama.cpp; empty if none is.
std::string hub_cache_directory();

// Only read. A directory that is not there, or has no name, has nothing.
class HubCache {
 public:
  // `files` must outlive it.
  HubCache(std::string directory, FileSource& files) : directory_(std::move(directory)), files_(files) {}

  // The commit of a revision (empty: main) when it was fetched; empty if no file of it is here.
  [[nodiscard]] std::string find_commit(const HubPath& path) const;

  // What is here of a commit: some of the repository's files, or all of them. Nothing if there is none.
  [[nodiscard]] std::optional<Repository> find_snapshot(const HubPath& path, const std::string& commit) const;

  // Opens a file of a commit; null if it is not here. Fails with kIo if it is not here as a whole.
  [[nodiscard]] Result<std::unique_ptr<ReadableFile>> open(const HubPath& path, const std::string& commit,
                                                           const RepositoryFile& file) const;

  // Why a file of a snapshot is not here, where the hub cannot be asked.
  [[nodiscard]] Error explain_missing(const HubPath& path, const std::string& commit, const std::string& name) const;

 private:
  [[nodiscard]] std::string store_of(const HubPath& path) const;
  // The path of the file; empty if it is not here.
  [[nodiscard]] Result<std::string> find_file(const HubPath& path, const std::string& commit,
                                              const RepositoryFile& file) const;

  std::string directory_;
  FileSource& files_;
};

// The folder of a snapshot that a folder of the cache means: itself, or for a store that of refs/main, or the only one.
// Nothing for other folders. Fails with kUsage if there are several, with kIo if there is none.
Result<std::optional<std::string>> find_snapshot_folder(const std::string& folder, FileSource& files);

// The names of all files in a snapshot or a folder in it, with their folders, by name. Links to folders elsewhere are
// not followed.
std::vector<std::string> list_snapshot(const std::string& folder, const FileSource& files);

}  // namespace mtpgraft
