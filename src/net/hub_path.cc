#include "net/hub_path.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "util/parse.h"
#include "util/url.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kScheme = "hf://";

// Owner and name; the hub takes 96 characters for each.
constexpr std::size_t kNameBytesMax = 193;

bool is_name(std::string_view text) {
  const auto is_allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
  return !text.empty() && text != "." && text != ".." && std::ranges::all_of(text, is_allowed);
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
          .hint = "a model of the Hugging Face Hub is hf://OWNER/NAME[@REVISION][:FILE, TAG or GLOB]"};
}

// The hub has other things than models; their kind stands where a model has its owner.
Status check_is_model(std::string_view given, std::string_view place) {
  constexpr auto kOtherKinds = std::to_array<std::pair<std::string_view, std::string_view>>({
      {"datasets", "a dataset"},
      {"buckets", "a bucket"},
      {"spaces", "a space"},
      {"collections", "a collection"},
      {"papers", "a paper"},
  });
  const auto path = url_without_query(given);
  const auto kind = take(place, '/');
  const auto* const other = std::ranges::find(kOtherKinds, kind, &std::pair<std::string_view, std::string_view>::first);
  if (other != kOtherKinds.end()) {
    return wrong_path(path, fmt::format("names {} of the hub, not a model", other->second));
  }
  if (kind == "models" && place.find('/') != std::string_view::npos) {
    const auto at = path.find("models/");
    auto error = wrong_path(path, "has 'models/' before owner and name");
    error.hint = fmt::format("leave it out: {}{}", path.substr(0, at), path.substr(path.find('/', at) + 1));
    return error;
  }
  return ok_status();
}

bool is_model_file(std::string_view name) { return name.ends_with(".gguf") || name.ends_with(".safetensors"); }

bool is_before_revision(std::string_view part) {
  constexpr auto kParts = std::to_array<std::string_view>({"resolve", "blob", "raw", "tree", "commit", "commits"});
  return std::ranges::find(kParts, part) != kParts.end();
}

// The file that a page shows beside the list of all: "?show_file_info=NAME".
std::string shown_file(std::string_view url) {
  constexpr std::string_view kShown = "show_file_info=";
  const auto at = url.find(kShown);
  const auto value = url.substr(at != std::string_view::npos ? at + kShown.size() : url.size());
  return unescape(value.substr(0, value.find_first_of("&#")));
}

}  // namespace

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

std::string HubPath::repository_path() const {
  return fmt::format("{}{}{}{}", kScheme, repository, revision.empty() ? "" : "@", revision);
}

std::string HubPath::path() const { return name.empty() ? repository_path() : repository_path() + ':' + name; }

Result<HubPath> parse_hub_path(std::string_view path) {
  auto rest = path.substr(std::min(kScheme.size(), path.size()));
  MTPGRAFT_CHECK(check_is_model(path, rest));
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

Result<std::optional<HubPath>> parse_hub_url(std::string_view url, std::string_view endpoint) {
  const std::optional<HubPath> none;
  if (!url.starts_with(endpoint) || !url.substr(endpoint.size()).starts_with('/')) {
    // What another hub stands in for is called by its own name.
    return endpoint != kDefaultEndpoint ? parse_hub_url(url, kDefaultEndpoint) : none;
  }
  const auto place = unescape(url.substr(0, url.find_first_of("?#")).substr(endpoint.size() + 1));
  MTPGRAFT_CHECK(check_is_model(url, place));
  std::string_view rest = place;
  const auto owner = take(rest, '/');
  const auto name = take(rest, '/');
  if (name.find_first_of(":@") != std::string_view::npos) {
    // As in `ollama run hf.co/OWNER/NAME:TAG`.
    MTPGRAFT_TRY(auto path, parse_hub_path(fmt::format("{}{}", kScheme, place)));
    return std::optional(std::move(path));
  }
  HubPath path{fmt::format("{}/{}", owner, name), {}, {}};
  const auto after_name = rest;
  if (const auto part = take(rest, '/'); is_before_revision(part)) {
    path.revision = take_revision(rest);
    path.name = rest;
  } else if (part.empty()) {
    path.name = shown_file(url);
  } else if (endpoint == kDefaultEndpoint && owner != "api" && is_model_file(after_name)) {
    path.name = after_name;
  } else if (endpoint == kDefaultEndpoint && owner != "api") {
    auto error = wrong_path(url_without_query(url), "is a page of the hub, and neither a model nor a file of one");
    error.hint = fmt::format("the model is {}{}/{}", kScheme, owner, name);
    return error;
  } else {
    return none;
  }
  while (path.name.ends_with('/')) {
    path.name.pop_back();
  }
  const bool is_right = is_name(owner) && is_name(name) && (path.revision.empty() || is_relative_path(path.revision)) &&
                        (path.name.empty() || is_relative_path(path.name));
  if (!is_right && endpoint == kDefaultEndpoint && name.empty()) {
    return wrong_path(url_without_query(url), "does not name an owner and a model");
  }
  return is_right ? std::optional(std::move(path)) : none;
}

std::string hub_repository_of(std::string_view text) {
  // What else the hub has at its root, besides owners.
  constexpr auto kOtherPages = std::to_array<std::string_view>({"docs", "blog", "api", "models", "organizations"});
  const auto from = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  text = text.substr(from, text.find_last_not_of(" \t\r\n") + 1 - from);
  auto word = plain_url(text);
  std::string repository;
  if (word.starts_with(kDefaultEndpoint)) {
    const auto path = parse_hub_url(word, kDefaultEndpoint);
    repository = path.ok() && path.value() ? path.value()->repository : "";
  } else {
    word = word.starts_with(kScheme) ? std::move(word) : fmt::format("{}{}", kScheme, word);
    const auto path = parse_hub_path(word);
    repository = path.ok() && path.value().name.empty() ? path.value().repository : "";
  }
  const auto owner = repository.substr(0, repository.find('/'));
  const bool is_one = std::ranges::find(kOtherPages, owner) == kOtherPages.end() && repository.size() <= kNameBytesMax;
  return is_one ? repository : "";
}

}  // namespace mtpgraft
