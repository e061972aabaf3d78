#include "net/hub.h"

#include <fmt/core.h>

#include <algorithm>
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

constexpr std::string_view kScheme = "hf://";
constexpr std::string_view kDefaultEndpoint = "https://huggingface.co";

// Five for a file; the largest repositories have some thousands.
constexpr JsonLimits kJsonLimits{.separators = std::size_t{1} << 19, .token_bytes = std::size_t{1} << 20};

constexpr std::size_t kTokenBytesMax = 4096;

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
    auto home = environment("HF_HOME");
    if (home.empty()) {
      const auto cache = environment("XDG_CACHE_HOME");
      home = (cache.empty() ? environment("HOME") + "/.cache" : cache) + "/huggingface";
    }
    path = home + "/token";
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

bool is_name(std::string_view text) {
  const auto is_allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
  return !text.empty() && text != "." && text != ".." && std::ranges::all_of(text, is_allowed);
}

// Whether it can be the path of a file or folder in a repository.
bool is_relative_path(std::string_view path) {
  for (std::size_t from = 0; from <= path.size();) {
    const auto to = std::min(path.find('/', from), path.size());
    const auto part = path.substr(from, to - from);
    if (part.empty() || part == "." || part == "..") {
      return false;
    }
    from = to + 1;
  }
  return std::ranges::none_of(path, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// Takes the text up to the first `separator` off its front, and the separator.
std::string_view take(std::string_view& text, char separator) {
  const auto at = std::min(text.find(separator), text.size());
  const auto taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

// One part, or the three of refs/pr/N and refs/convert/NAME.
std::string_view take_revision(std::string_view& text) {
  const auto whole = text;
  auto revision = take(text, '/');
  if (revision == "refs" && (text.starts_with("pr/") || text.starts_with("convert/"))) {
    take(text, '/');
    take(text, '/');
    revision = whole.substr(0, whole.size() - text.size());
    revision.remove_suffix(revision.ends_with('/') ? 1 : 0);
  }
  return revision;
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

std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code =
        text[i] == '%' && i + 2 < text.size() ? parse_hex_number<unsigned char>(text.substr(i + 1, 2)) : std::nullopt;
    if (code) {
      plain += static_cast<char>(*code);
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

Error wrong_path(std::string_view path, std::string message) {
  return {.code = ErrorCode::kUsage,
          .message = std::move(message),
          .path = std::string(path),
          .hint = "a model of the Hugging Face Hub is hf://OWNER/NAME[@REVISION][:FILE-OR-GLOB]"};
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
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

std::string HubPath::repository_path() const {
  return fmt::format("{}{}{}{}", kScheme, repository, revision.empty() ? "" : "@", revision);
}

std::string HubPath::path() const { return name.empty() ? repository_path() : repository_path() + ':' + name; }

Result<HubPath> parse_hub_path(std::string_view path) {
  auto rest = path.substr(std::min(kScheme.size(), path.size()));
  HubPath parsed;
  const auto colon = rest.find(':');
  const bool has_colon = colon != std::string_view::npos;
  auto place = has_colon ? rest.substr(0, colon) : rest;
  const auto owner = take(place, '/');
  const auto end = std::min(place.find_first_of("@/"), place.size());
  const auto name = place.substr(0, end);
  if (!path.starts_with(kScheme) || !is_name(owner) || !is_name(name)) {
    return wrong_path(path, "does not name an owner and a model");
  }
  parsed.repository = fmt::format("{}/{}", owner, name);
  place.remove_prefix(end);
  if (place.starts_with('@')) {
    place.remove_prefix(1);
    parsed.revision = has_colon ? std::exchange(place, {}) : take_revision(place);
    if (!is_relative_path(parsed.revision)) {
      return wrong_path(path, fmt::format("'{}' is no revision", parsed.revision));
    }
  } else if (place.starts_with('/')) {
    place.remove_prefix(1);
  }
  if (has_colon && !place.empty()) {
    return wrong_path(path, fmt::format("has '{}' between the model and the colon", place));
  }
  parsed.name = has_colon ? rest.substr(colon + 1) : place;
  while (parsed.name.ends_with('/')) {
    parsed.name.pop_back();
  }
  if (!parsed.name.empty() && !is_relative_path(parsed.name)) {
    return wrong_path(path, fmt::format("'{}' is no name of a file in a repository", parsed.name));
  }
  return parsed;
}

std::optional<HubPath> parse_hub_url(std::string_view url, std::string_view endpoint) {
  if (!url.starts_with(endpoint) || !url.substr(endpoint.size()).starts_with('/')) {
    // What another hub stands in for is called by its own name.
    return endpoint != kDefaultEndpoint ? parse_hub_url(url, kDefaultEndpoint) : std::nullopt;
  }
  const auto plain = unescape(url.substr(0, url.find_first_of("?#")).substr(endpoint.size() + 1));
  std::string_view rest = plain;
  const auto owner = take(rest, '/');
  const auto name = take(rest, '/');
  HubPath path{fmt::format("{}/{}", owner, name), {}, {}};
  const auto kind = take(rest, '/');
  if (kind == "resolve" || kind == "blob" || kind == "raw" || kind == "tree") {
    path.revision = take_revision(rest);
    path.name = rest;
  } else if (!kind.empty()) {
    return std::nullopt;
  }
  while (path.name.ends_with('/')) {
    path.name.pop_back();
  }
  const bool is_right = is_name(owner) && is_name(name) && (path.revision.empty() || is_relative_path(path.revision)) &&
                        (path.name.empty() || is_relative_path(path.name));
  return is_right ? std::optional(std::move(path)) : std::nullopt;
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
