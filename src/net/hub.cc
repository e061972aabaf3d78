#include "net/hub.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "net/http_text.h"
#include "util/checked.h"
#include "util/environment.h"
#include "util/json.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

// Five for a file; the largest repositories have some thousands.
constexpr JsonLimits kJsonLimits{.separators = std::size_t{1} << 19, .token_bytes = std::size_t{1} << 20};

constexpr std::size_t kTokenBytesMax = 4096;

constexpr std::size_t kBaseModelsMax = 32;  // far above any merge

constexpr int kTimeoutSeconds = 30;
constexpr int kTimeoutSecondsMax = 3600;

std::string trimmed(std::string text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  text.erase(text.begin(), std::ranges::find_if_not(text, is_space));
  while (!text.empty() && is_space(text.back())) {
    text.pop_back();
  }
  return text;
}

Result<std::string> read_token() {
  if (auto token = trimmed(environment("HF_TOKEN")); !token.empty()) {
    return token;
  }
  auto path = environment("HF_TOKEN_PATH");
  const bool is_named = !path.empty();
  if (!is_named) {
    path = hub_home_directory() + "/token";
  }
  std::ifstream file(as_path(path), std::ios::binary);
  std::string token(kTokenBytesMax, '\0');
  file.read(token.data(), static_cast<std::streamsize>(token.size()));
  token.resize(static_cast<std::size_t>(file.gcount()));
  if (is_named && token.empty()) {
    return Error{.code = ErrorCode::kUsage,
                 .message = "no token can be read from the file that HF_TOKEN_PATH names",
                 .path = path};
  }
  return trimmed(std::move(token));
}

std::string escape(std::string_view text, std::string_view kept) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    escaped += std::isalnum(byte) != 0 || kept.find(c) != std::string_view::npos ? std::string(1, c)
                                                                                 : fmt::format("%{:02X}", byte);
  }
  return escaped;
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// The models that the repository's is made of: by its card, else by its tags, "base_model:finetune:OWNER/NAME".
std::vector<std::string> base_models_of(const nlohmann::json& description) {
  std::vector<std::string> names;
  const auto add = [&](std::string_view text) {
    if (names.size() == kBaseModelsMax) {
      return;
    }
    auto name = hub_repository_of(text);
    if (!name.empty() && std::ranges::find(names, name) == names.end()) {
      names.push_back(std::move(name));
    }
  };
  const auto card = description.value("cardData", nlohmann::json());
  const auto stated = card.is_object() ? card.value("base_model", nlohmann::json()) : nlohmann::json();
  for (const auto& item : stated.is_array() ? stated : nlohmann::json::array({stated})) {
    add(item.is_string() ? item.get<std::string>() : "");
  }
  if (!names.empty()) {
    return names;
  }
  constexpr std::string_view kTag = "base_model:";
  for (const auto& tag : description.value("tags", nlohmann::json::array())) {
    const auto text = tag.is_string() ? tag.get<std::string>() : "";
    add(text.starts_with(kTag) ? std::string_view(text).substr(text.rfind(':') + 1) : "");
  }
  return names;
}

}  // namespace

std::uint64_t Repository::bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& file : files) {
    bytes = checked_add(bytes, file.size).value_or(UINT64_MAX);
  }
  return bytes;
}

const RepositoryFile* Repository::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(files, name, {}, &RepositoryFile::name);
  return found != files.end() && found->name == name ? &*found : nullptr;
}

bool has_model(const Repository& repository) {
  return std::ranges::any_of(repository.files, [](const RepositoryFile& file) {
    return file.name.ends_with(".gguf") || file.name.ends_with(".safetensors");
  });
}

std::vector<std::string> names_in_folder(const Repository& repository, std::string_view folder) {
  std::vector<std::string> names;
  const auto prefix = folder.empty() ? "" : std::string(folder) + '/';
  for (const auto& file : repository.files) {
    if (file.name.starts_with(prefix)) {
      const auto name = file.name.substr(prefix.size(), file.name.find('/', prefix.size()) - prefix.size());
      if (names.empty() || names.back() != name) {
        names.push_back(name);
      }
    }
  }
  return names;
}

Result<HubSettings> read_hub_settings() {
  MTPGRAFT_TRY(auto token, read_token());
  const auto offline = lowered(environment("HF_HUB_OFFLINE"));
  const bool is_offline = offline == "1" || offline == "on" || offline == "yes" || offline == "true";
  HubSettings settings{std::string(kDefaultEndpoint), std::move(token), kTimeoutSeconds, is_offline};
  if (auto endpoint = trimmed(environment("HF_ENDPOINT")); !endpoint.empty()) {
    while (endpoint.ends_with('/')) {
      endpoint.pop_back();
    }
    if (origin_of(endpoint).empty() || endpoint.find_first_of("?#") != std::string::npos) {
      // Not shown: it may have a password.
      return Error{
          .code = ErrorCode::kUsage, .message = "HF_ENDPOINT is no URL of a server", .hint = "give it as https://HOST"};
    }
    settings.endpoint = std::move(endpoint);
  }
  if (const auto seconds = environment("HF_HUB_DOWNLOAD_TIMEOUT"); !seconds.empty()) {
    settings.timeout_seconds = parse_number<int>(seconds).value_or(0);
    if (settings.timeout_seconds < 1 || settings.timeout_seconds > kTimeoutSecondsMax) {
      return Error{
          .code = ErrorCode::kUsage,
          .message = fmt::format("HF_HUB_DOWNLOAD_TIMEOUT is '{}', it must be a number of seconds from 1 to {}",
                                 seconds, kTimeoutSecondsMax)};
    }
  }
  return settings;
}

std::string hub_api_url(std::string_view endpoint, const HubPath& path) {
  return fmt::format("{}/api/models/{}/revision/{}?blobs=true", endpoint, path.repository,
                     escape(path.revision.empty() ? "main" : path.revision, "-_.~"));
}

std::string hub_file_url(std::string_view endpoint, std::string_view repository, std::string_view commit,
                         std::string_view name) {
  return fmt::format("{}/{}/resolve/{}/{}", endpoint, repository, commit, escape(name, "-_.~/"));
}

std::string hub_refs_url(std::string_view endpoint, std::string_view repository) {
  return fmt::format("{}/api/models/{}/refs", endpoint, repository);
}

std::string hub_models_url(std::string_view endpoint, std::string_view repository) {
  return fmt::format("{}/api/models?author={}&limit=1000", endpoint, repository.substr(0, repository.find('/')));
}

bool is_commit(std::string_view revision) { return revision.size() == 40 && is_hex(revision); }

Result<Repository> parse_repository(const std::string& json, const HubPath& path) {
  const auto malformed = [&](std::string what) {
    return Error{.code = ErrorCode::kMalformed,
                 .message = fmt::format("the hub's description of the repository {}", what),
                 .path = path.repository_path(),
                 .hint = "HF_ENDPOINT must name a server that speaks the Hugging Face Hub's language"};
  };
  const auto parsed = parse_json<nlohmann::json>(json, kJsonLimits);
  if (!parsed.ok() && parsed.error().code == ErrorCode::kUnsupported) {
    return malformed(parsed.error().message);
  }
  if (!parsed.ok() || !parsed.value().is_object()) {
    return malformed("is not a JSON object");
  }
  const auto& object = parsed.value();
  Repository repository{path.repository_path(), text_of(object, "sha"), {}};
  if (!is_commit(repository.commit)) {
    return malformed("has no commit 'sha'");
  }
  if (is_commit(path.revision) && lowered(path.revision) != lowered(repository.commit)) {
    return malformed(fmt::format("is of another commit, {}", repository.commit));
  }
  const auto siblings = object.find("siblings");
  if (siblings == object.end() || !siblings->is_array()) {
    return malformed("has no list 'siblings'");
  }
  for (const auto& sibling : *siblings) {
    RepositoryFile file{sibling.is_object() ? text_of(sibling, "rfilename") : "", 0, {}, {}};
    if (!is_relative_path(file.name)) {
      return malformed(fmt::format("names a file '{}'", printable(file.name)));
    }
    if (const auto size = sibling.find("size"); size != sibling.end() && size->is_number_unsigned()) {
      file.size = size->get<std::uint64_t>();
    }
    if (const auto lfs = sibling.find("lfs"); lfs != sibling.end() && lfs->is_object()) {
      file.sha256 = text_of(*lfs, "sha256");
    }
    file.blob_id = text_of(sibling, "blobId");
    repository.files.push_back(std::move(file));
  }
  std::ranges::sort(repository.files, {}, &RepositoryFile::name);
  repository.base_models = base_models_of(object);
  return repository;
}

std::vector<std::string> parse_hub_names(const std::string& json) {
  std::vector<std::string> names;
  const auto parsed = parse_json<nlohmann::json>(json, kJsonLimits);
  if (!parsed.ok()) {
    return names;
  }
  const auto& answer = parsed.value();
  const auto add = [&](const nlohmann::json& list, const char* key) {
    for (const auto& item : list.is_array() ? list : nlohmann::json::array()) {
      if (item.is_object() && !text_of(item, key).empty()) {
        names.push_back(text_of(item, key));
      }
    }
  };
  add(answer, "id");
  if (answer.is_object()) {
    add(answer.value("branches", nlohmann::json()), "name");
    add(answer.value("tags", nlohmann::json()), "name");
  }
  return names;
}

}  // namespace mtpgraft
