// One thing at a time is got from a server, by one handle of libcurl: which URL is asked, where redirects lead, what is
// tried again and when.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "mtpgraft/result.h"
#include "net/curl_library.h"
#include "net/http_client.h"
#include "net/http_exchange.h"

namespace mtpgraft {

// What libcurl could not allocate.
template <class T>
T* required(T* allocated) {
  if (allocated == nullptr) {
    throw std::bad_alloc();
  }
  return allocated;
}

// What is the same for all requests.
struct HttpSettings {
  HttpOptions options;
  std::string token_origin;
  std::string certificates;  // a file, or empty for those of the system

  [[nodiscard]] bool sends_token_to(std::string_view url) const;
};

// Carries out one exchange after the other, each in as many requests as it takes.
class HttpTransfer {
 public:
  using Clock = std::chrono::steady_clock;

  // `has_answer` is set when the first byte comes; it is that of all transfers of a client.
  HttpTransfer(CURLM* multi, const HttpSettings& settings, bool& has_answer);
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;
  ~HttpTransfer() { curl().multi_remove_handle(multi_, easy_.get()); }

  [[nodiscard]] bool is_idle() const { return exchange_ == nullptr; }
  // When the next request may be sent; nothing while one is under way.
  [[nodiscard]] std::optional<Clock::time_point> next_start() const { return next_start_; }
  // Bytes since the last call.
  std::uint64_t take_received() { return std::exchange(received_, 0); }

  Status begin(HttpExchange& exchange);
  Status send();
  // No byte has come for too long.
  [[nodiscard]] bool is_stalled() const;
  // The request that was sent has ended, or is to end.
  Status end(CURLcode code);

 private:
  [[nodiscard]] HttpFile& file() const { return exchange_->file(); }
  [[nodiscard]] Error failure(std::string_view reason, std::string_view hint) const {
    return request_error(file(), request_text_, reason, hint);
  }

  // All that is left of the exchange is to be asked for, at its first place.
  Status start_over(Clock::time_point when);
  Status follow();
  Status end_with_status();
  Status end_without_answer(CURLcode code);
  Status try_again(Error error, std::optional<std::chrono::seconds> retry_after);
  // Whether a place that was asked directly should be forgotten, and the file's URL be asked.
  bool forget_redirection();
  [[nodiscard]] std::string describe(CURLcode code) const;
  // The time that connecting took for the request under way; 0 until there is a connection.
  [[nodiscard]] std::chrono::microseconds connecting_time() const;

  // Whether the answer's body is not what was asked for.
  [[nodiscard]] bool is_discarded() const;
  Status take_header(std::string_view line);
  Status take_body(std::span<const std::byte> bytes);
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
  const HttpSettings& settings_;
  bool& has_answer_;
  CurlEasy easy_;
  CurlHeaders headers_;
  std::array<char, CURL_ERROR_SIZE> curl_message_{};
  // Seeded by the clock: std::random_device calls what no C library has before glibc 2.36.
  std::minstd_rand random_{static_cast<std::uint32_t>(Clock::now().time_since_epoch().count())};

  HttpExchange* exchange_ = nullptr;
  int tries_ = 0;  // without a new byte
  std::string url_;
  std::string direct_url_;  // where an earlier redirect led, if that was asked without going through the file's URL
  int redirects_ = 0;
  std::optional<Clock::time_point> next_start_;
  std::uint64_t received_ = 0;

  // The request under way.
  std::string request_text_;
  Clock::time_point sent_;
  Clock::time_point last_byte_;
  std::uint64_t kept_before_ = 0;
  HttpHead head_;
  bool head_is_complete_ = false;
  std::size_t discarded_ = 0;
  std::optional<Error> failure_;
  std::exception_ptr exception_;
};

}  // namespace mtpgraft
