// The Hugging Face Hub: what its paths mean, and what it answers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/remote.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// From the environment, as huggingface_hub reads it.
struct HubSettings {
  std::string endpoint;  // HF_ENDPOINT without slashes at its end
  std::string token;     // HF_TOKEN, else what the file of HF_TOKEN_PATH, else HF_HOME/token has; may be empty
  int timeout_seconds;   // HF_HUB_DOWNLOAD_TIMEOUT
  bool is_offline;       // HF_HUB_OFFLINE: the hub is not to be asked
};

Result<HubSettings> read_hub_settings();

struct HubPath {
  std::string repository;  // "OWNER/NAME"
  std::string revision;    // empty: none was given
  std::string name;        // of a file, a folder or a pattern in it; may be empty

  // "hf://OWNER/NAME@REVISION"
  [[nodiscard]] std::string repository_path() const;
  // The same, and ":NAME" if there is one.
  [[nodiscard]] std::string path() const;
};

// "hf://OWNER/NAME[@REVISION][:NAME]", or with "/NAME"; a revision with a slash needs the colon, but for refs/pr/N.
// Fails with kUsage.
Result<HubPath> parse_hub_path(std::string_view path);

// The same for what a browser shows: ENDPOINT/OWNER/NAME and .../resolve/REVISION/FILE, blob or raw. Nothing for URLs
// that are no pages of models.
std::optional<HubPath> parse_hub_url(std::string_view url, std::string_view endpoint);

// Where the hub describes the repository, and where it has a file of a commit.
std::string hub_api_url(std::string_view endpoint, const HubPath& path);
std::string hub_file_url(std::string_view endpoint, std::string_view repository, std::string_view commit,
                         std::string_view name);

// Where the hub lists a repository's branches and tags, and the models of an owner.
std::string hub_refs_url(std::string_view endpoint, std::string_view repository);
std::string hub_models_url(std::string_view endpoint, std::string_view repository);

// A revision that never means anything else.
bool is_commit(std::string_view revision);

// Reads what stands at hub_api_url(). Fails with kMalformed.
Result<Repository> parse_repository(const std::string& json, const HubPath& path);

// The names in what stands at hub_refs_url() or hub_models_url(), of models as "OWNER/NAME"; empty if it is neither.
std::vector<std::string> parse_hub_names(const std::string& json);

}  // namespace mtpgraft
