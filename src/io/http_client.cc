#include "io/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <new>
#include <random>
#include <utility>

#include "io/http_exchange.h"
#include "io/http_text.h"
#include "io/stream.h"

namespace mtpgraft {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kTransfersMax = 4;
constexpr int kRedirectsMax = 10;
constexpr int kTriesMax = 5;  // without a new byte
constexpr milliseconds kFirstPause(500);
constexpr std::chrono::minutes kRetryAfterMax(5);
constexpr milliseconds kProgressInterval(100);
// What comes with redirects and errors is read so that the connection can be used again, if it is no more than this.
constexpr std::size_t kDiscardedBytesMax = 65536;

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct FreeHeaders {
  void operator()(curl_slist* headers) const { curl_slist_free_all(headers); }
};
struct FreeText {
  void operator()(char* text) const { curl_free(text); }
};

template <class T>
T* required(T* allocated) {
  if (allocated == nullptr) {
    throw std::bad_alloc();
  }
  return allocated;
}

// What is the same for all requests.
struct Settings {
  HttpOptions options;
  std::string token_origin;
  std::string certificates;  // a file, or empty for those of the system

  [[nodiscard]] bool sends_token_to(std::string_view url) const {
    return !options.token.empty() && !token_origin.empty() && origin_of(url) == token_origin;
  }
};

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_worth_another_try(int status) {
  constexpr auto kStatuses = std::to_array({408, 425, 429, 500, 502, 503, 504});
  return std::ranges::find(kStatuses, status) != kStatuses.end();
}

// Of a signed URL that has expired, or of a copy that is gone.
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

bool is_tls_failure(CURLcode code) {
  constexpr auto kCodes =
      std::to_array({CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
                     CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS});
  return std::ranges::find(kCodes, code) != kCodes.end();
}

// Whether a URL may be asked, before any connection is made. `from` is the one that led to it, or empty.
Status check_url(const Settings& settings, const HttpFile& file, const std::string& url, const std::string& from) {
  const auto origin = origin_of(url);
  const auto shown = url_without_query(url);
  const auto refuse = [&](const std::string& reason, std::string hint) {
    if (from.empty()) {
      return Error{ErrorCode::kUsage, fmt::format("{}: {}", shown, reason), file.path, {}, std::move(hint)};
    }
    return Error{ErrorCode::kIo,
                 fmt::format("GET {}: redirected to {}: {}", url_without_query(from), shown, reason),
                 file.path,
                 {},
                 std::move(hint)};
  };
  if (origin.empty()) {
    return refuse("not a URL of http or https with a host and no user name", "");
  }
  if (origin.starts_with("https:") || is_loopback(origin)) {
    return ok_status();
  }
  if (from.starts_with("https:")) {
    return refuse("that leads from https to http", "download the file by other means, and name that");
  }
  if (!settings.options.allow_http) {
    return refuse("http is neither encrypted nor protected against changes",
                  "use https, or --allow-http if you trust the network");
  }
  return ok_status();
}

// Where a Location leads; empty if it is no URL.
std::string resolve(const std::string& base, const std::string& location) {
  const std::unique_ptr<CURLU, FreeUrl> url(required(curl_url()));
  char* text = nullptr;
  if (curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK ||
      curl_url_set(url.get(), CURLUPART_URL, location.c_str(), CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE) !=
          CURLUE_OK ||
      curl_url_get(url.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) {
    return {};
  }
  return std::unique_ptr<char, FreeText>(text).get();
}

// Carries out one exchange after the other, each in as many requests as it takes.
class Transfer {
 public:
  Transfer(CURLM* multi, const Settings& settings);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() { curl_multi_remove_handle(multi_, easy_.get()); }

  [[nodiscard]] CURL* easy() const { return easy_.get(); }
  [[nodiscard]] bool is_idle() const { return exchange_ == nullptr; }
  // When the next request may be sent; nothing while one is under way.
  [[nodiscard]] std::optional<Clock::time_point> next_start() const { return next_start_; }
  // Bytes since the last call.
  std::uint64_t take_received() { return std::exchange(received_, 0); }

  Status begin(HttpExchange& exchange);
  Status send();
  // The request that was sent has ended.
  Status end(CURLcode code);

 private:
  [[nodiscard]] HttpFile& file() const { return exchange_->file(); }
  [[nodiscard]] Error failure(const std::string& reason, std::string hint) const {
    return {ErrorCode::kIo, fmt::format("{}: {}", request_text_, reason), file().path, {}, std::move(hint)};
  }

  // All that is left of the exchange is to be asked for, at its first place.
  Status start_over(Clock::time_point when);
  Status follow();
  Status end_with_status();
  Status end_without_answer(CURLcode code);
  Status try_again(Error error, std::optional<std::chrono::seconds> retry_after);
  // Whether a place that was asked directly should be forgotten, and the file's URL be asked.
  bool forget_redirection();
  std::string describe(CURLcode code) const;

  std::size_t take_header(std::string_view line);
  std::size_t take_body(std::span<const std::byte> bytes);
  // What is called within libcurl, which knows no exceptions.
  template <class Function>
  bool keep_failure(const Function& function) {
    try {
      auto status = function();
      if (!status.ok()) {
        failure_ = std::move(status.error());
      }
      return status.ok();
    } catch (...) {
      exception_ = std::current_exception();
      return false;
    }
  }

  CURLM* multi_;
  const Settings& settings_;
  std::unique_ptr<CURL, FreeEasy> easy_;
  std::unique_ptr<curl_slist, FreeHeaders> headers_;
  std::array<char, CURL_ERROR_SIZE> curl_message_{};
  std::minstd_rand random_{std::random_device()()};

  HttpExchange* exchange_ = nullptr;
  int tries_ = 0;  // without a new byte
  std::string url_;
  bool is_direct_ = false;  // asked where an earlier redirect led
  int redirects_ = 0;
  std::optional<Clock::time_point> next_start_;
  std::uint64_t received_ = 0;

  // Of the request under way.
  std::string request_text_;
  std::uint64_t kept_before_ = 0;
  HttpHead head_;
  bool head_is_complete_ = false;
  std::size_t discarded_ = 0;
  std::optional<Error> failure_;
  std::exception_ptr exception_;
};

Transfer::Transfer(CURLM* multi, const Settings& settings)
    : multi_(multi), settings_(settings), easy_(required(curl_easy_init())) {
  auto* const easy = easy_.get();
  using Callback = std::size_t (*)(char*, std::size_t, std::size_t, void*);
  const Callback header = [](char* data, std::size_t, std::size_t size, void* self) {
    return static_cast<Transfer*>(self)->take_header({data, size});
  };
  const Callback body = [](char* data, std::size_t, std::size_t size, void* self) {
    return static_cast<Transfer*>(self)->take_body(std::as_bytes(std::span(data, size)));
  };
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, curl_message_.data());
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // An interrupted program must not wait for a name that is being looked up.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  // Of one connection that can carry several requests, all make use.
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, settings.options.user_agent.c_str());
  const long timeout = settings.options.timeout_seconds;
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, timeout);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, timeout);
  if (!settings.certificates.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, settings.certificates.c_str());
  }
}

Status Transfer::begin(HttpExchange& exchange) {
  exchange_ = &exchange;
  tries_ = 0;
  return start_over(Clock::now());
}

Status Transfer::start_over(Clock::time_point when) {
  is_direct_ = !file().redirected_url.empty();
  url_ = is_direct_ ? file().redirected_url : file().url;
  redirects_ = 0;
  next_start_ = when;
  return check_url(settings_, file(), url_, "");
}

Status Transfer::send() {
  next_start_.reset();
  head_ = {};
  head_is_complete_ = false;
  discarded_ = 0;
  failure_.reset();
  curl_message_[0] = '\0';
  kept_before_ = exchange_->kept_bytes();

  const auto request = exchange_->request();
  request_text_ = fmt::format("GET {}", url_without_query(url_));
  if (!request.range.empty()) {
    request_text_ += fmt::format(" (bytes {})", request.range);
  }
  curl_slist* headers = nullptr;
  const auto add_header = [&](const std::string& line) {
    headers = required(curl_slist_append(headers, line.c_str()));
  };
  headers_.reset();
  add_header("Accept-Encoding: identity");
  if (settings_.sends_token_to(url_)) {
    add_header("Authorization: Bearer " + settings_.options.token);
  }
  if (!request.validator.empty()) {
    add_header((request.validator.starts_with('"') ? "If-None-Match: " : "If-Modified-Since: ") + request.validator);
  }
  headers_.reset(headers);
  curl_easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy_.get(), CURLOPT_RANGE, request.range.empty() ? nullptr : request.range.c_str());
  curl_easy_setopt(easy_.get(), CURLOPT_URL, url_.c_str());
  const auto code = curl_multi_add_handle(multi_, easy_.get());
  return code == CURLM_OK ? ok_status() : failure(curl_multi_strerror(code), "");
}

std::size_t Transfer::take_header(std::string_view line) {
  constexpr std::string_view kProtocol = "HTTP/";
  if (line.starts_with(kProtocol)) {
    // After an interim answer comes another.
    head_ = {};
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    head_.status = static_cast<int>(status);
    return line.size();
  }
  // What follows the body is of no interest.
  if (head_is_complete_) {
    return line.size();
  }
  if (line != "\r\n" && line != "\n") {
    return keep_failure([&] {
      read_header_line(line, head_);
      return ok_status();
    })
               ? line.size()
               : 0;
  }
  head_is_complete_ = head_.status >= 200;
  if (!head_is_complete_ || is_redirect(head_.status) || head_.status >= 400) {
    return line.size();
  }
  return keep_failure([&] { return exchange_->begin(head_, request_text_); }) ? line.size() : 0;
}

std::size_t Transfer::take_body(std::span<const std::byte> bytes) {
  if (is_redirect(head_.status) || head_.status >= 400) {
    discarded_ += bytes.size();
    return discarded_ <= kDiscardedBytesMax ? bytes.size() : 0;
  }
  received_ += bytes.size();
  return keep_failure([&] { return exchange_->take(bytes, request_text_); }) ? bytes.size() : 0;
}

Status Transfer::end(CURLcode code) {
  curl_multi_remove_handle(multi_, easy_.get());
  if (exception_) {
    std::rethrow_exception(exception_);
  }
  if (failure_) {
    return *failure_;
  }
  if (exchange_->kept_bytes() > kept_before_) {
    tries_ = 0;
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
  if (redirects_ > 0) {
    file().redirected_url = url_;
  }
  if (!exchange_->is_complete(code == CURLE_OK)) {
    return code == CURLE_OK ? try_again(failure("the answer ended too early", "try again later"), {})
                            : end_without_answer(code);
  }
  return std::exchange(exchange_, nullptr)->finish();
}

Status Transfer::follow() {
  const auto target = resolve(url_, head_.location);
  if (head_.location.empty() || target.empty()) {
    return failure(fmt::format("the server answered {}, without a place that can be asked", head_.status),
                   "download the file by other means, and name that");
  }
  if (++redirects_ > kRedirectsMax) {
    return failure(fmt::format("more than {} redirects", kRedirectsMax),
                   "download the file by other means, and name that");
  }
  MTPGRAFT_CHECK(check_url(settings_, file(), target, url_));
  url_ = target;
  next_start_ = Clock::now();
  return ok_status();
}

bool Transfer::forget_redirection() {
  if (!is_direct_) {
    return false;
  }
  // Another transfer may have got a new one meanwhile.
  if (file().redirected_url == url_) {
    file().redirected_url.clear();
  }
  return true;
}

Status Transfer::end_with_status() {
  if (is_expiry(head_.status) && forget_redirection()) {
    return start_over(Clock::now());
  }
  auto error =
      explain_status(head_.status, request_text_, file(), head_.error_code, settings_.sends_token_to(file().url));
  if (is_worth_another_try(head_.status)) {
    return try_again(std::move(error), parse_retry_after(head_.retry_after, std::chrono::system_clock::now()));
  }
  return std::exchange(exchange_, nullptr)->refuse(head_, std::move(error));
}

std::string Transfer::describe(CURLcode code) const {
  if (code == CURLE_OPERATION_TIMEDOUT) {
    curl_off_t connected_us = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    return fmt::format("{} for {} s", connected_us > 0 ? "nothing came" : "no connection",
                       settings_.options.timeout_seconds);
  }
  return curl_message_[0] != '\0' ? curl_message_.data() : curl_easy_strerror(code);
}

Status Transfer::end_without_answer(CURLcode code) {
  if (!head_is_complete_ && forget_redirection()) {
    return start_over(Clock::now());
  }
  if (is_tls_failure(code)) {
    return failure(describe(code),
                   "if the certificate is signed by an authority of your own, let CURL_CA_BUNDLE or SSL_CERT_FILE name "
                   "a file with the authority's certificate");
  }
  if (!is_worth_another_try(code)) {
    return failure(describe(code), "");
  }
  return try_again(failure(describe(code), code == CURLE_COULDNT_RESOLVE_HOST
                                               ? "look at the name of the server, and at the network connection"
                                               : "look at the network connection, or try again later"),
                   {});
}

Status Transfer::try_again(Error error, std::optional<std::chrono::seconds> retry_after) {
  ++tries_;
  if (retry_after && *retry_after > kRetryAfterMax) {
    error.message += fmt::format(", and asks to wait {} s", retry_after->count());
    return error;
  }
  if (tries_ == kTriesMax) {
    error.message += fmt::format(" (tried {} times)", tries_);
    return error;
  }
  // So that not all clients of a server come back together.
  const auto jitter = std::uniform_real_distribution(0.75, 1.25)(random_);
  const auto pause =
      std::chrono::duration_cast<milliseconds>(jitter * static_cast<double>(1 << (tries_ - 1)) * kFirstPause);
  return start_over(Clock::now() + (retry_after ? milliseconds(*retry_after) : pause));
}

class CurlClient : public HttpClient {
 public:
  explicit CurlClient(Settings settings) : settings_(std::move(settings)), multi_(required(curl_multi_init())) {}

  Result<HttpDocument> get(const HttpFile& file, std::uint64_t bytes_max, const std::string& validator,
                           const Progress& progress) override {
    auto copy = file;
    DocumentExchange exchange(copy, bytes_max, validator);
    HttpExchange* const only = &exchange;
    MTPGRAFT_CHECK(run({&only, 1}, progress));
    return std::move(exchange).document();
  }

  Result<bool> is_unchanged(HttpFile& file, const Progress& progress) override {
    ChangeExchange exchange(file);
    HttpExchange* const only = &exchange;
    MTPGRAFT_CHECK(run({&only, 1}, progress));
    return exchange.is_unchanged();
  }

  Status get_ranges(std::span<HttpRange> ranges, const Progress& progress) override {
    std::vector<RangeExchange> exchanges(ranges.begin(), ranges.end());
    std::vector<HttpExchange*> pointers;
    for (auto& exchange : exchanges) {
      pointers.push_back(&exchange);
    }
    return run(pointers, progress);
  }

 private:
  Status run(std::span<HttpExchange* const> exchanges, const Progress& progress);

  Settings settings_;
  std::unique_ptr<CURLM, FreeMulti> multi_;  // has the connections
};

Status CurlClient::run(std::span<HttpExchange* const> exchanges, const Progress& progress) {
  std::vector<std::unique_ptr<Transfer>> transfers;
  while (transfers.size() < std::min(kTransfersMax, exchanges.size())) {
    transfers.push_back(std::make_unique<Transfer>(multi_.get(), settings_));
  }
  while (true) {
    auto wake = Clock::now() + kProgressInterval;
    bool is_idle = true;
    for (const auto& transfer : transfers) {
      if (transfer->is_idle() && !exchanges.empty()) {
        MTPGRAFT_CHECK(transfer->begin(*exchanges.front()));
        exchanges = exchanges.subspan(1);
      }
      if (const auto start = transfer->next_start(); start && !transfer->is_idle()) {
        if (*start <= Clock::now()) {
          MTPGRAFT_CHECK(transfer->send());
        } else {
          wake = std::min(wake, *start);
        }
      }
      is_idle = is_idle && transfer->is_idle();
    }
    if (is_idle) {
      return ok_status();
    }

    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    bool has_ended = false;
    int waiting = 0;
    while (const auto* const message = curl_multi_info_read(multi_.get(), &waiting)) {
      Transfer* transfer = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      MTPGRAFT_CHECK(transfer->end(message->data.result));
      has_ended = true;
    }
    std::uint64_t received = 0;
    for (const auto& transfer : transfers) {
      received += transfer->take_received();
    }
    MTPGRAFT_CHECK(advance(progress, received));
    if (!has_ended) {
      const auto pause = std::chrono::ceil<milliseconds>(wake - Clock::now()).count();
      curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(std::max<std::int64_t>(pause, 0)), nullptr);
    }
  }
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Result<std::unique_ptr<HttpClient>> make_http_client(const HttpOptions& options) {
  static const auto started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) {
    return Error{ErrorCode::kIo, fmt::format("libcurl does not start: {}", curl_easy_strerror(started))};
  }
  if (std::ranges::any_of(options.token, [](char c) { return c < 0x21 || c > 0x7e; })) {
    return Error{ErrorCode::kUsage,
                 "the token has characters that no token has",
                 {},
                 {},
                 "look for spaces and line ends in HF_TOKEN or in the file of the token"};
  }
  auto certificates = environment("CURL_CA_BUNDLE");
  if (certificates.empty()) {
    certificates = environment("SSL_CERT_FILE");
  }
  Settings settings{options, origin_of(options.token_origin), std::move(certificates)};
  return std::unique_ptr<HttpClient>(std::make_unique<CurlClient>(std::move(settings)));
}

std::string http_library() { return fmt::format("libcurl {}", curl_version_info(CURLVERSION_NOW)->version); }

}  // namespace mtpgraft
