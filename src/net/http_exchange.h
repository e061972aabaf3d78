// What is asked of a server, and what of its answers is good enough to be used. Knows neither connections nor retries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mtpgraft/result.h"
#include "net/http_client.h"

namespace mtpgraft {

// The hint for servers that do not do what is needed.
inline constexpr std::string_view kFetchOtherwise = "download the file by other means, and name that";

// `request` is "GET https://... (bytes 0-99)".
Error request_error(const HttpFile& file, const std::string& request, std::string_view reason, std::string_view hint);

// Whether a URL may be asked at all. `from` is the one that led to it, or empty.
Status check_url(const HttpFile& file, const std::string& url, const std::string& from, bool allow_http);

// The fields of an answer that matter here. An absent one is empty.
struct HttpHead {
  int status = 0;
  std::string content_encoding{};
  std::string content_length{};
  std::string content_range{};
  std::string content_type{};
  std::string error_code{};
  std::string etag{};
  std::string last_modified{};
  std::string location{};
};

struct HttpField {
  const char* name;
  std::string HttpHead::*value;
};
inline constexpr auto kHttpFields = std::to_array<HttpField>({
    {"content-encoding", &HttpHead::content_encoding},
    {"content-length", &HttpHead::content_length},
    {"content-range", &HttpHead::content_range},
    {"content-type", &HttpHead::content_type},
    {"etag", &HttpHead::etag},
    {"last-modified", &HttpHead::last_modified},
    {"location", &HttpHead::location},
    {"x-error-code", &HttpHead::error_code},
});

struct HttpRequest {
  std::string range{};      // "0-16383", or empty
  std::string validator{};  // the answer is wanted only if the file is another; or empty
};

// One thing that is wanted, in as many requests as it takes.
class HttpExchange {
 public:
  explicit HttpExchange(HttpFile& file) : file_(file) {}
  HttpExchange(const HttpExchange&) = default;
  HttpExchange& operator=(const HttpExchange&) = delete;
  virtual ~HttpExchange() = default;

  [[nodiscard]] HttpFile& file() const { return file_; }
  // The next one.
  [[nodiscard]] virtual HttpRequest request() const = 0;
  // Bytes that need not come again.
  [[nodiscard]] virtual std::uint64_t kept_bytes() const { return 0; }

  // An answer has come that is no redirect and has a status below 400. `request` is what messages call the request.
  virtual Status begin(const HttpHead& head, const std::string& request) = 0;
  // One that no retry helps, explained.
  virtual Status refuse(const HttpHead& head, Error explained);
  virtual Status take(std::span<const std::byte> bytes, const std::string& request) = 0;
  // Whether nothing is missing after an answer; `is_whole` as far as the connection knows.
  [[nodiscard]] virtual bool is_complete(bool is_whole) const = 0;
  virtual Status finish() { return ok_status(); }

 private:
  HttpFile& file_;
};

class RangeExchange : public HttpExchange {
 public:
  explicit RangeExchange(const HttpRange& wanted);

  [[nodiscard]] HttpRequest request() const override;
  [[nodiscard]] std::uint64_t kept_bytes() const override { return position_; }
  Status begin(const HttpHead& head, const std::string& request) override;
  Status take(std::span<const std::byte> bytes, const std::string& request) override;
  [[nodiscard]] bool is_complete(bool is_whole) const override;
  Status finish() override { return wanted_->finish(); }

 private:
  const HttpRange* wanted_;
  std::uint64_t position_;  // in the file
  std::uint64_t end_;
};

class DocumentExchange : public HttpExchange {
 public:
  DocumentExchange(HttpFile& file, std::uint64_t bytes_max, std::string validator);

  [[nodiscard]] HttpRequest request() const override { return {{}, validator_}; }
  Status begin(const HttpHead& head, const std::string& request) override;
  Status refuse(const HttpHead& head, Error explained) override;
  Status take(std::span<const std::byte> bytes, const std::string& request) override;
  [[nodiscard]] bool is_complete(bool is_whole) const override { return is_whole; }

  [[nodiscard]] HttpDocument&& document() && { return std::move(document_); }

 private:
  [[nodiscard]] Error too_large(const std::string& request) const;

  std::uint64_t bytes_max_;
  std::string validator_;
  HttpDocument document_;
};

// Asks whether a file is still what its validator says.
class ChangeExchange : public HttpExchange {
 public:
  using HttpExchange::HttpExchange;

  [[nodiscard]] HttpRequest request() const override { return {"0-0", file().validator}; }
  Status begin(const HttpHead& head, const std::string& request) override;
  Status take(std::span<const std::byte> bytes, const std::string& request) override;
  [[nodiscard]] bool is_complete(bool is_whole) const override;

  [[nodiscard]] bool is_unchanged() const { return is_unchanged_; }

 private:
  bool is_unchanged_ = false;
  std::uint64_t received_ = 0;  // bytes of the body
};

}  // namespace mtpgraft
