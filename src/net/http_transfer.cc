#include "net/http_transfer.h"

#include <fmt/format.h>

#include <algorithm>

#include "net/http_text.h"
#include "util/url.h"

namespace mtpgraft {
namespace {

using std::chrono::milliseconds;

constexpr int kRedirectsMax = 10;
constexpr int kTriesMax = 5;  // without a new byte
constexpr milliseconds kFirstPause(500);
constexpr std::chrono::minutes kRetryAfterMax(5);
// What comes with redirects and errors is read so that the connection can be used again, if it is no more than this.
constexpr std::size_t kDiscardedBytesMax = 65536;

struct FreeUrl {
  void operator()(CURLU* url) const { curl().url_cleanup(url); }
};
struct FreeText {
  void operator()(char* text) const { curl().free(text); }
};

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// What servers answer where a signed URL has expired, or a copy is gone.
bool is_expiry(int status) {
  constexpr auto kStatuses = std::to_array({400, 401, 403, 404, 410});
  return std::ranges::find(kStatuses, status) != kStatuses.end();
}

bool is_worth_another_try(CURLcode code) {
  constexpr auto kCodes = std::to_array({CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT,
                                         CURLE_PARTIAL_FILE, CURLE_OPERATION_TIMEDOUT, CURLE_GOT_NOTHING,
                                         CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_HTTP2, CURLE_HTTP2_STREAM});
  return std::ranges::find(kCodes, code) != kCodes.end();
}

// The server cannot be found, or refuses to be asked.
bool is_unreachable(CURLcode code) {
  return code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT;
}

bool is_tls_failure(CURLcode code) {
  constexpr auto kCodes =
      std::to_array({CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
                     CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS});
  return std::ranges::find(kCodes, code) != kCodes.end();
}

// Where a Location leads; empty if it is no URL.
std::string resolve(const std::string& base, const std::string& location) {
  const std::unique_ptr<CURLU, FreeUrl> url(required(curl().url()));
  char* text = nullptr;
  if (curl().url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK ||
      curl().url_set(url.get(), CURLUPART_URL, location.c_str(), CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE) !=
          CURLUE_OK ||
      curl().url_get(url.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) {
    return {};
  }
  return std::unique_ptr<char, FreeText>(text).get();
}

void read_fields(CURL* easy, HttpHead& head) {
  for (const auto& field : kHttpFields) {
    curl_header* found = nullptr;
    if (curl().easy_header(easy, field.name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK) {
      head.*(field.value) = found->value;
    }
  }
}

}  // namespace

bool HttpSettings::sends_token_to(std::string_view url) const {
  return !options.token.empty() && !token_origin.empty() && origin_of(url) == token_origin;
}

HttpTransfer::HttpTransfer(CURLM* multi, const HttpSettings& settings, bool& has_answer)
    : multi_(multi), settings_(settings), has_answer_(has_answer), easy_(required(curl().easy_init())) {
  auto* const easy = easy_.get();
  using Callback = std::size_t (*)(char*, std::size_t, std::size_t, void*);
  // To take nothing makes libcurl end the transfer.
  const Callback header = [](char* data, std::size_t, std::size_t size, void* self) {
    auto& transfer = *static_cast<HttpTransfer*>(self);
    return transfer.keep_failure([&] { return transfer.take_header({data, size}); }) ? size : 0;
  };
  const Callback body = [](char* data, std::size_t, std::size_t size, void* self) {
    auto& transfer = *static_cast<HttpTransfer*>(self);
    return transfer.keep_failure([&] { return transfer.take_body(std::as_bytes(std::span(data, size))); }) ? size : 0;
  };
  curl().easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl().easy_setopt(easy, CURLOPT_HEADERFUNCTION, header);
  curl().easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl().easy_setopt(easy, CURLOPT_WRITEFUNCTION, body);
  curl().easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl().easy_setopt(easy, CURLOPT_ERRORBUFFER, curl_message_.data());
  curl().easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
  curl().easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // An interrupted program must not wait for a name that is being looked up.
  curl().easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl().easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl().easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl().easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  // All requests share a connection that can carry several.
  curl().easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  curl().easy_setopt(easy, CURLOPT_USERAGENT, settings.options.user_agent.c_str());
  // Not so CURLOPT_LOW_SPEED_TIME, which is an average over seconds: is_stalled().
  curl().easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, static_cast<long>(settings.options.timeout_seconds));
  if (!settings.certificates.empty()) {
    curl().easy_setopt(easy, CURLOPT_CAINFO, settings.certificates.c_str());
  }
}

Status HttpTransfer::begin(HttpExchange& exchange) {
  exchange_ = &exchange;
  tries_ = 0;
  return start_over(Clock::now());
}

Status HttpTransfer::start_over(Clock::time_point when) {
  direct_url_ = file().redirected_url;
  url_ = direct_url_.empty() ? file().url : direct_url_;
  redirects_ = 0;
  next_start_ = when;
  return check_url(file(), url_, "", settings_.options.allow_http);
}

Status HttpTransfer::send() {
  next_start_.reset();
  head_ = {};
  head_is_complete_ = false;
  discarded_ = 0;
  failure_.reset();
  curl_message_[0] = '\0';
  kept_before_ = exchange_->kept_bytes();
  sent_ = last_byte_ = Clock::now();

  const auto request = exchange_->request();
  request_text_ = fmt::format("GET {}", url_without_query(url_));
  if (!request.range.empty()) {
    request_text_ += fmt::format(" (bytes {})", request.range);
  }
  headers_.reset();
  const auto add_header = [&](const std::string& line) {
    headers_.reset(required(curl().slist_append(headers_.release(), line.c_str())));
  };
  add_header("Accept-Encoding: identity");
  // A proxy would read a token that goes to this machine without encryption.
  curl().easy_setopt(easy_.get(), CURLOPT_NOPROXY, is_loopback(origin_of(url_)) ? "*" : nullptr);
  if (settings_.sends_token_to(url_)) {
    add_header("Authorization: Bearer " + settings_.options.token);
  }
  if (!request.validator.empty()) {
    add_header((request.validator.starts_with('"') ? "If-None-Match: " : "If-Modified-Since: ") + request.validator);
  }
  curl().easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, headers_.get());
  curl().easy_setopt(easy_.get(), CURLOPT_RANGE, request.range.empty() ? nullptr : request.range.c_str());
  curl().easy_setopt(easy_.get(), CURLOPT_URL, url_.c_str());
  const auto code = curl().multi_add_handle(multi_, easy_.get());
  return code == CURLM_OK ? ok_status() : failure(curl().multi_strerror(code), "");
}

std::chrono::microseconds HttpTransfer::connecting_time() const {
  curl_off_t microseconds = 0;
  curl().easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &microseconds);
  return std::chrono::microseconds(microseconds);
}

bool HttpTransfer::is_stalled() const {
  if (is_idle() || next_start_) {
    return false;
  }
  const auto connecting = connecting_time();
  const auto quiet_since = std::max(last_byte_, sent_ + connecting);
  return connecting.count() > 0 && Clock::now() - quiet_since > std::chrono::seconds(settings_.options.timeout_seconds);
}

bool HttpTransfer::is_discarded() const { return is_redirect(head_.status) || head_.status >= 400; }

Status HttpTransfer::take_header(std::string_view line) {
  has_answer_ = true;
  last_byte_ = Clock::now();
  if (line.starts_with("HTTP/")) {
    // After an interim answer comes another.
    head_ = {};
    long status = 0;
    curl().easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    head_.status = static_cast<int>(status);
    return ok_status();
  }
  // What follows the body is of no interest.
  if (head_is_complete_) {
    return ok_status();
  }
  if ((line != "\r\n" && line != "\n") || head_.status < 200) {
    return ok_status();
  }
  head_is_complete_ = true;
  read_fields(easy_.get(), head_);
  return !is_discarded() ? exchange_->begin(head_, request_text_) : ok_status();
}

Status HttpTransfer::take_body(std::span<const std::byte> bytes) {
  last_byte_ = Clock::now();
  if (is_discarded()) {
    discarded_ += bytes.size();
    return discarded_ <= kDiscardedBytesMax ? ok_status() : failure("too much that is not wanted", "");
  }
  received_ += bytes.size();
  return exchange_->take(bytes, request_text_);
}

Status HttpTransfer::end(CURLcode code) {
  curl().multi_remove_handle(multi_, easy_.get());
  if (exception_) {
    std::rethrow_exception(exception_);
  }
  if (!head_is_complete_) {
    return end_without_answer(code);
  }
  if (is_redirect(head_.status)) {
    return follow();
  }
  if (head_.status >= 400) {
    return end_with_status();
  }
  if (failure_) {
    return *failure_;
  }
  if (redirects_ > 0) {
    file().redirected_url = url_;
  }
  if (exchange_->is_complete(code == CURLE_OK)) {
    return std::exchange(exchange_, nullptr)->finish();
  }
  if (exchange_->kept_bytes() > kept_before_) {
    tries_ = 0;
  }
  return code == CURLE_OK ? try_again(failure("the answer ended too early", "try again later"), {})
                          : end_without_answer(code);
}

Status HttpTransfer::follow() {
  const auto target = resolve(url_, head_.location);
  if (head_.location.empty() || target.empty()) {
    auto error = failure(fmt::format("the server answered {}, without a place that can be asked", head_.status),
                         kFetchOtherwise);
    error.http_status = head_.status;
    return error;
  }
  if (++redirects_ > kRedirectsMax) {
    return failure(fmt::format("more than {} redirects", kRedirectsMax), kFetchOtherwise);
  }
  MTPGRAFT_CHECK(check_url(file(), target, url_, settings_.options.allow_http));
  url_ = target;
  next_start_ = Clock::now();
  return ok_status();
}

bool HttpTransfer::forget_redirection() {
  if (direct_url_.empty()) {
    return false;
  }
  // Another transfer may have got a new one meanwhile.
  if (file().redirected_url == direct_url_) {
    file().redirected_url.clear();
  }
  return true;
}

Status HttpTransfer::end_with_status() {
  if (is_expiry(head_.status) && forget_redirection()) {
    return start_over(Clock::now());
  }
  auto error =
      explain_status(head_.status, request_text_, file(), head_.error_code, settings_.sends_token_to(file().url));
  if (is_transient_status(head_.status)) {
    curl_off_t seconds = 0;  // none, or at once
    curl().easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &seconds);
    return try_again(std::move(error), seconds > 0 ? std::optional(std::chrono::seconds(seconds)) : std::nullopt);
  }
  return std::exchange(exchange_, nullptr)->refuse(head_, std::move(error));
}

std::string HttpTransfer::describe(CURLcode code) const {
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return fmt::format("{} for {} s", connecting_time().count() > 0 ? "nothing came" : "no connection",
                       settings_.options.timeout_seconds);
  }
  return curl_message_[0] != '\0' ? curl_message_.data() : curl().easy_strerror(code);
}

Status HttpTransfer::end_without_answer(CURLcode code) {
  if (!head_is_complete_ && forget_redirection()) {
    return start_over(Clock::now());
  }
  if (is_tls_failure(code)) {
    return failure(fmt::format("no TLS connection: {}", describe(code)),
                   "if the certificate is signed by an authority of your own, let CURL_CA_BUNDLE or SSL_CERT_FILE name "
                   "a file with the authority's certificate");
  }
  if (!is_worth_another_try(code)) {
    return failure(describe(code), "");
  }
  auto error = failure(describe(code), code == CURLE_COULDNT_RESOLVE_HOST
                                           ? "look at the name of the server, and at the network connection"
                                           : "look at the network connection, or try again later");
  if (is_unreachable(code) && !has_answer_) {
    // More likely a wrong name, or no network, than something that is over in a moment.
    error.is_retryable = true;
    return error;
  }
  return try_again(std::move(error), {});
}

Status HttpTransfer::try_again(Error error, std::optional<std::chrono::seconds> retry_after) {
  ++tries_;
  error.is_retryable = true;
  if (retry_after && *retry_after > kRetryAfterMax) {
    error.message += fmt::format("; the server asks to wait {} s", retry_after->count());
    return error;
  }
  if (tries_ == kTriesMax) {
    error.message += fmt::format(" (tried {} times)", tries_);
    return error;
  }
  // So that not all clients of a server come back together.
  const auto jitter = std::uniform_real_distribution(0.75, 1.25)(random_);
  const auto pause =
      retry_after
          ? milliseconds(*retry_after)
          : std::chrono::duration_cast<milliseconds>(jitter * static_cast<double>(1 << (tries_ - 1)) * kFirstPause);
  if (settings_.options.tell_retry) {
    settings_.options.tell_retry({file().path, tries_ + 1, kTriesMax, std::move(error.message), pause});
  }
  return start_over(Clock::now() + pause);
}

}  // namespace mtpgraft
