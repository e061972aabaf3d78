// The Hugging Face Hub: where it is asked for what, and what it answers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/remote.h"
#include "mtpgraft/result.h"
#include "net/hub_path.h"

namespace mtpgraft {

// From the environment, as huggingface_hub reads it.
struct HubSettings {
  std::string endpoint;  // HF_ENDPOINT without slashes at its end
  std::string token;     // HF_TOKEN, else what the file of HF_TOKEN_PATH, else HF_HOME/token has; may be empty
  int timeout_seconds;   // HF_HUB_DOWNLOAD_TIMEOUT
  bool is_offline;       // HF_HUB_OFFLINE: the hub is not to be asked
};

// Where huggingface_hub keeps what is its own: HF_HOME, else XDG_CACHE_HOME/huggingface or HOME/.cache/huggingface;
// empty if none is set.
std::string hub_home_directory();

Result<HubSettings> read_hub_settings();

// Where the hub describes the repository, and where it has a file of a commit.
std::string hub_api_url(std::string_view endpoint, const HubPath& path);
std::string hub_file_url(std::string_view endpoint, std::string_view repository, std::string_view commit,
                         std::string_view name);

// Where the hub lists a repository's branches and tags, and the models of an owner.
std::string hub_refs_url(std::string_view endpoint, std::string_view repository);
std::string hub_models_url(std::string_view endpoint, std::string_view repository);

// Whether there is what can be a model, or a part of one.
bool has_model(const Repository& repository);

// The names of the files and folders in a folder of a repository; the folder "" is the repository itself.
std::vector<std::string> names_in_folder(const Repository& repository, std::string_view folder);

// A revision that never means anything else.
bool is_commit(std::string_view revision);

// Reads what stands at hub_api_url(). Fails with kMalformed.
Result<Repository> parse_repository(const std::string& json, const HubPath& path);

// The names in what stands at hub_refs_url() or hub_models_url(), of models as "OWNER/NAME"; empty if it is neither.
std::vector<std::string> parse_hub_names(const std::string& json);

}  // namespace mtpgraft
