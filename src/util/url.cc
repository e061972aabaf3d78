#include "util/url.h"

#include <algorithm>
#include <array>

#include "util/parse.h"

namespace mtpgraft {
namespace {

constexpr auto kHubHosts =
    std::to_array<std::string_view>({"huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"});
constexpr std::string_view kHubUrl = "https://huggingface.co/";

}  // namespace

std::string plain_url(std::string_view word) {
  const auto scheme_end = word.find("://");
  const bool has_scheme = scheme_end != std::string_view::npos && word.find('/') == scheme_end + 1;
  const auto scheme = has_scheme ? lowered(word.substr(0, scheme_end)) : std::string();
  const auto place = has_scheme ? word.substr(scheme_end + 3) : word;
  const auto host = lowered(place.substr(0, place.find('/')));
  // "http://" too: the hub has nothing that is not encrypted. "hf://hf.co/" is hardly an owner.
  const bool is_of_hub = (scheme.empty() || scheme == "https" || scheme == "http" || scheme == "hf") &&
                         host.size() < place.size() && std::ranges::find(kHubHosts, host) != kHubHosts.end();
  if (is_of_hub) {
    return std::string(kHubUrl).append(place.substr(host.size() + 1));
  }
  return has_scheme ? scheme + std::string(word.substr(scheme_end)) : std::string(word);
}

std::string url_without_query(std::string_view url) {
  std::string shown(url.substr(0, url.find_first_of("?#")));
  const auto scheme_end = shown.find("://");
  const auto user_end = shown.substr(0, shown.find('/', scheme_end + 3)).rfind('@');
  if (scheme_end != std::string::npos && user_end != std::string::npos) {
    shown.erase(scheme_end + 3, user_end + 1 - (scheme_end + 3));
  }
  return shown;
}

bool has_secret(std::string_view given) {
  const auto word = plain_url(given.substr(given.substr(0, given.find_first_of("/?")).rfind('=') + 1));
  const auto scheme_end = word.find("://");
  if (scheme_end == std::string::npos) {
    return false;
  }
  // Of the hub an '@' is before a revision.
  const bool is_hub = word.starts_with("hf://") || word.starts_with(kHubUrl);
  return word.find_first_of(is_hub ? "?" : "@?", scheme_end) != std::string::npos;
}

std::string without_secret(std::string_view word) {
  return has_secret(word) ? url_without_query(word) : std::string(word);
}

}  // namespace mtpgraft
