#include "net/http_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "util/parse.h"

namespace mtpgraft {
namespace {

bool is_loopback_address(std::string_view host) {
  int parts = 0;
  for (auto rest = host; parts == 0 || !rest.empty(); ++parts) {
    const auto part = rest.substr(0, rest.find('.'));
    const auto number = parse_number<std::uint64_t>(part);
    if (!number || *number > 255 || (parts == 0 && *number != 127)) {
      return false;
    }
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  }
  return parts == 4 && !host.ends_with('.');
}

std::string_view reason_phrase(int status) {
  struct Reason {
    int status;
    std::string_view phrase;
  };
  constexpr auto kReasons = std::to_array<Reason>({
      {400, " Bad Request"},
      {401, " Unauthorized"},
      {403, " Forbidden"},
      {404, " Not Found"},
      {405, " Method Not Allowed"},
      {407, " Proxy Authentication Required"},
      {408, " Request Timeout"},
      {410, " Gone"},
      {416, " Range Not Satisfiable"},
      {425, " Too Early"},
      {429, " Too Many Requests"},
      {451, " Unavailable For Legal Reasons"},
      {500, " Internal Server Error"},
      {501, " Not Implemented"},
      {502, " Bad Gateway"},
      {503, " Service Unavailable"},
      {504, " Gateway Timeout"},
  });
  const auto* const found = std::ranges::find(kReasons, status, &Reason::status);
  return found == kReasons.end() ? std::string_view() : found->phrase;
}

constexpr std::string_view kHub = "hf://";
constexpr std::string_view kGiveToken = "give a token by HF_TOKEN or 'hf auth login'";

// The page of hf://OWNER/NAME..., where its terms are shown.
std::string model_page(const HttpFile& file) {
  if (!file.path.starts_with(kHub)) {
    return "the model's page";
  }
  const auto endpoint = file.url.substr(0, file.url.find('/', file.url.find("://") + 3));
  const auto repository = std::string_view(file.path).substr(kHub.size());
  const auto owner_end = std::min(repository.find('/'), repository.size());
  return fmt::format("{}/{}", endpoint, repository.substr(0, repository.find_first_of("/@:", owner_end + 1)));
}

std::string hint_of_status(int status, const HttpFile& file, std::string_view error_code, bool has_token) {
  const bool is_hub = file.path.starts_with(kHub) || !error_code.empty();
  switch (status) {
    case 401:
    case 403:
      if (!is_hub) {
        return "the server does not give it to everyone: download the file by other means, and name that";
      }
      if (error_code == "GatedRepo") {
        return has_token ? fmt::format(
                               "the token is not valid, or has no access to it yet: accept its terms at {} in a "
                               "browser, with the account of the token",
                               model_page(file))
                         : fmt::format("accept its terms at {} in a browser, then {}", model_page(file), kGiveToken);
      }
      return has_token ? "the token was refused: look whether it is still valid and may read this repository"
                       : fmt::format("it is private or does not exist: look at the name, or {}", kGiveToken);
    case 404:
      if (error_code == "RepoNotFound") {
        return has_token
                   ? "there is no such repository, or the token may not see it: look at the name"
                   : fmt::format("there is no such repository, or it is private: look at the name, or {}", kGiveToken);
      }
      return error_code == "RevisionNotFound" ? "the repository has no such revision: look at the name"
                                              : "there is no such file: look at the name";
    case 407:
      return "the proxy wants a login: HTTPS_PROXY can have one";
    case 410:
      return "the file was taken away: look for another place that has it";
    case 416:
      return file.size ? "the file ends before this, and has changed on the server; try again" : "the file is empty";
    case 451:
      return "the server withholds it for legal reasons: look for another place that has it";
    case 429:
      return is_hub && !has_token ? fmt::format("try again later, or {}: then more is allowed", kGiveToken)
                                  : "try again later";
    default:
      return is_transient_status(status) ? "try again later"
                                         : "if it can be downloaded by other means, do so and name the file";
  }
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  const auto dash = text.find('-');
  const auto slash = text.find('/');
  if (!text.starts_with(kUnit) || dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) {
    return std::nullopt;
  }
  const auto first = parse_number<std::uint64_t>(text.substr(kUnit.size(), dash - kUnit.size()));
  const auto last = parse_number<std::uint64_t>(text.substr(dash + 1, slash - dash - 1));
  const auto size = parse_number<std::uint64_t>(text.substr(slash + 1));
  if (!first || !last || !size || *first > *last || *last >= *size) {
    return std::nullopt;
  }
  return ContentRange{{*first, *last - *first + 1}, *size};
}

std::string origin_of(std::string_view url) {
  const auto scheme_end = url.find("://");
  const auto scheme = lowered(url.substr(0, scheme_end));
  if (scheme_end == std::string_view::npos || (scheme != "http" && scheme != "https")) {
    return {};
  }
  const auto authority = lowered(url.substr(scheme_end + 3, url.find_first_of("/?#", scheme_end + 3) - scheme_end - 3));
  const bool is_bracketed = authority.starts_with('[');
  const auto host_end = is_bracketed ? authority.find(']') + 1 : std::min(authority.find(':'), authority.size());
  const auto host = std::string_view(authority).substr(0, host_end);
  // Only what every reader of URLs takes for a host. So there is no doubt who gets a token.
  const auto letters = is_bracketed ? std::string_view("[]:.0123456789abcdef")
                                    : std::string_view("abcdefghijklmnopqrstuvwxyz0123456789-._");
  if (host.empty() || host.find_first_not_of(letters) != std::string_view::npos) {
    return {};
  }
  const auto rest = std::string_view(authority).substr(host_end);
  if (rest.empty()) {
    return fmt::format("{}://{}:{}", scheme, host, scheme == "https" ? 443 : 80);
  }
  const auto port = rest.starts_with(':') ? parse_number<std::uint64_t>(rest.substr(1)) : std::nullopt;
  return port && *port >= 1 && *port <= 65535 ? fmt::format("{}://{}:{}", scheme, host, *port) : std::string();
}

bool is_loopback(std::string_view origin) {
  const auto scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos) {
    return false;
  }
  const auto host_start = scheme_end + 3;
  const auto host = origin.substr(host_start, origin.rfind(':') - host_start);
  return host == "localhost" || host == "[::1]" || is_loopback_address(host);
}

bool is_transient_status(int status) {
  // 501 and 505: what a server cannot do, it will not do later.
  return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

Error explain_status(int status, const std::string& request, const HttpFile& file, std::string_view error_code,
                     bool has_token) {
  return {.code = ErrorCode::kIo,
          .message = fmt::format("{}: {}{}", request, status, reason_phrase(status)),
          .path = file.path,
          .hint = hint_of_status(status, file, error_code, has_token),
          .http_status = status,
          // 416: it was longer when its size was told.
          .is_retryable = is_transient_status(status) || (status == 416 && file.size)};
}

}  // namespace mtpgraft
