// Paths of the Hugging Face Hub: which repository, revision and file they mean.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mtpgraft/result.h"

namespace mtpgraft {

inline constexpr std::string_view kDefaultEndpoint = "https://huggingface.co";

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

// The same for what a browser shows: ENDPOINT/OWNER/NAME[:NAME], and .../resolve/REVISION/FILE, blob, raw, tree or
// commit. Nothing for URLs of other servers and of pages that are no models'. Fails with kUsage for a dataset's page.
Result<std::optional<HubPath>> parse_hub_url(std::string_view url, std::string_view endpoint);

// "OWNER/NAME" of what names a repository of models: a page of the hub, with or without its scheme, hf://OWNER/NAME, or
// the name alone. Empty for all else.
std::string hub_repository_of(std::string_view text);

// Whether it can be the path of a file or folder in a repository.
bool is_relative_path(std::string_view path);

}  // namespace mtpgraft
