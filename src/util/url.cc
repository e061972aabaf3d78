#include "util/url.h"

#include "util/parse.h"

namespace mtpgraft {

std::string url_without_query(std::string_view url) {
  std::string shown(url.substr(0, url.find_first_of("?#")));
  const auto scheme_end = shown.find("://");
  const auto user_end = shown.substr(0, shown.find('/', scheme_end + 3)).rfind('@');
  if (scheme_end != std::string::npos && user_end != std::string::npos) {
    shown.erase(scheme_end + 3, user_end + 1 - (scheme_end + 3));
  }
  return shown;
}

bool has_secret(std::string_view word) {
  const auto scheme_end = word.find("://");
  if (scheme_end == std::string_view::npos) {
    return false;
  }
  const bool is_hub = lowered(word.substr(0, scheme_end)).ends_with("hf");  // its '@' is before a revision
  return word.find_first_of(is_hub ? "?" : "@?", scheme_end) != std::string_view::npos;
}

std::string without_secret(std::string_view word) {
  return has_secret(word) ? url_without_query(word) : std::string(word);
}

}  // namespace mtpgraft
