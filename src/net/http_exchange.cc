#include "net/http_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "net/http_text.h"
#include "util/checked.h"
#include "util/parse.h"
#include "util/text.h"
#include "util/url.h"

namespace mtpgraft {
namespace {

Error change(const HttpFile& file, const std::string& request, std::string_view what) {
  auto error = request_error(file, request, fmt::format("the file changed on the server while it was read: {}", what),
                             "try again");
  error.is_retryable = true;
  return error;
}

// Comparing weakly, as is done here, is enough to see that a file was replaced.
std::string validator_of(const HttpHead& head) {
  if (head.etag.empty()) {
    return head.last_modified;
  }
  return head.etag.starts_with("W/") ? head.etag.substr(2) : head.etag;
}

std::optional<std::uint64_t> content_length(const HttpHead& head) {
  return parse_number<std::uint64_t>(head.content_length);
}

// An encoded body would be other bytes than the file's.
Status check_encoding(const HttpFile& file, const HttpHead& head, const std::string& request) {
  if (head.content_encoding.empty() || head.content_encoding == "identity") {
    return ok_status();
  }
  return request_error(file, request,
                       fmt::format("the answer is encoded as '{}', which was not asked for", head.content_encoding),
                       kFetchOtherwise);
}

// That the answer is a part of the file: which, and of how long a file.
Result<ContentRange> part_of(const HttpFile& file, const HttpHead& head, const std::string& request) {
  if (head.status == 200 && head.content_type.starts_with("text/html")) {
    return request_error(file, request, "the server answered with a web page",
                         "name the file that its download link leads to");
  }
  if (head.status != 206) {
    auto error = request_error(file, request,
                               fmt::format("the server answered {}, not 206{}", head.status,
                                           head.status == 200 ? ": it does not serve ranges" : ""),
                               kFetchOtherwise);
    error.http_status = head.status;
    return error;
  }
  if (head.content_type.starts_with("multipart/byteranges")) {
    return request_error(file, request, "the server answered with several ranges, where one was asked for",
                         kFetchOtherwise);
  }
  MTPGRAFT_CHECK(check_encoding(file, head, request));
  const auto part = parse_content_range(head.content_range);
  if (!part) {
    return request_error(
        file, request,
        fmt::format("the answer does not say which range it is: Content-Range is '{}'", head.content_range),
        kFetchOtherwise);
  }
  return *part;
}

}  // namespace

Error request_error(const HttpFile& file, const std::string& request, std::string_view reason, std::string_view hint) {
  return {.code = ErrorCode::kIo,
          .message = fmt::format("{}: {}", request, reason),
          .path = file.path,
          .hint = std::string(hint)};
}

Status check_url(const HttpFile& file, const std::string& url, const std::string& from, bool allow_http) {
  const auto refuse = [&](std::string_view reason, std::string_view hint) {
    auto error = request_error(file, url_without_query(url), reason, hint);
    if (from.empty()) {
      error.code = ErrorCode::kUsage;
    } else {
      error.message = fmt::format("GET {}: redirected to {}", url_without_query(from), error.message);
    }
    return error;
  };
  const auto origin = origin_of(url);
  if (origin.empty()) {
    return refuse("not a URL of http or https with a host and no user name", kFetchOtherwise);
  }
  // What listens there trusts this machine, and no other.
  if (!from.empty() && is_loopback(origin) && !is_loopback(origin_of(from))) {
    return refuse("that leads from another machine to this one", kFetchOtherwise);
  }
  if (origin.starts_with("https:") || is_loopback(origin)) {
    return ok_status();
  }
  if (origin_of(from).starts_with("https:")) {
    return refuse("that leads from https to http", kFetchOtherwise);
  }
  if (!allow_http) {
    auto error = refuse("http is neither encrypted nor protected against changes", "use https");
    error.remedy = Remedy::kAllowHttp;
    return error;
  }
  return ok_status();
}

Status HttpExchange::refuse(const HttpHead& head, Error explained) {
  static_cast<void>(head);
  return explained;
}

RangeExchange::RangeExchange(const HttpRange& wanted)
    : HttpExchange(*wanted.file),
      wanted_(&wanted),
      position_(wanted.range.offset),
      end_(checked_add(wanted.range.offset, wanted.range.length).value_or(UINT64_MAX)) {}

HttpRequest RangeExchange::request() const { return {fmt::format("{}-{}", position_, end_ - 1), {}}; }

Status RangeExchange::begin(const HttpHead& head, const std::string& request) {
  MTPGRAFT_TRY(const auto part, part_of(file(), head, request));
  const auto size = part.size;
  if (file().size && size != *file().size) {
    return change(file(), request, fmt::format("it had {} bytes, and has {}", *file().size, size));
  }
  const auto validator = validator_of(head);
  if (validator.empty()) {
    return request_error(file(), request,
                         "the answer has neither ETag nor Last-Modified, so that a change could not be seen",
                         kFetchOtherwise);
  }
  if (!file().validator.empty() && validator != file().validator) {
    return change(file(), request, fmt::format("it was {}, and is {}", file().validator, validator));
  }
  // Where it passes the end of the file, the server leaves out what is behind it.
  const auto end = std::min(end_, size);
  const auto part_end = part.range.offset + part.range.length;
  if (part.range.offset != position_ || part_end != end) {
    return request_error(file(), request,
                         fmt::format("the server answered with bytes {}-{}", part.range.offset, part_end - 1),
                         kFetchOtherwise);
  }
  if (content_length(head).value_or(0) > part.range.length) {
    return request_error(file(), request,
                         fmt::format("the answer has {} bytes, more than its range", head.content_length),
                         kFetchOtherwise);
  }
  end_ = end;
  file().size = size;
  file().validator = validator;
  return ok_status();
}

Status RangeExchange::take(std::span<const std::byte> bytes, const std::string& request) {
  if (bytes.size() > end_ - position_) {
    return request_error(file(), request, "the answer has more bytes than its range", kFetchOtherwise);
  }
  position_ += bytes.size();
  return wanted_->use(bytes);
}

bool RangeExchange::is_complete(bool is_whole) const {
  static_cast<void>(is_whole);
  return position_ == end_;
}

DocumentExchange::DocumentExchange(HttpFile& file, std::uint64_t bytes_max, std::string validator)
    : HttpExchange(file), bytes_max_(bytes_max), validator_(std::move(validator)) {}

Error DocumentExchange::too_large(const std::string& request) const {
  auto error = request_error(file(), request, fmt::format("the answer has more than {}", format_bytes(bytes_max_)), "");
  error.code = ErrorCode::kMalformed;
  return error;
}

Status DocumentExchange::begin(const HttpHead& head, const std::string& request) {
  if (head.status != 200 && (head.status != 304 || validator_.empty())) {
    auto error =
        request_error(file(), request, fmt::format("the server answered {}, not 200", head.status), kFetchOtherwise);
    error.http_status = head.status;
    return error;
  }
  MTPGRAFT_CHECK(check_encoding(file(), head, request));
  if (content_length(head).value_or(0) > bytes_max_ && head.status == 200) {
    return too_large(request);
  }
  document_ = {head.status, {}, validator_of(head), head.error_code};
  return ok_status();
}

Status DocumentExchange::refuse(const HttpHead& head, Error explained) {
  static_cast<void>(explained);
  document_ = {head.status, {}, validator_of(head), head.error_code};
  return ok_status();
}

Status DocumentExchange::take(std::span<const std::byte> bytes, const std::string& request) {
  if (bytes.size() > bytes_max_ - document_.body.size()) {
    return too_large(request);
  }
  document_.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return ok_status();
}

Status ChangeExchange::begin(const HttpHead& head, const std::string& request) {
  if (head.status == 304) {
    is_unchanged_ = true;
    return ok_status();
  }
  MTPGRAFT_TRY(const auto part, part_of(file(), head, request));
  is_unchanged_ = validator_of(head) == file().validator && part.size == file().size;
  return ok_status();
}

Status ChangeExchange::take(std::span<const std::byte> bytes, const std::string& request) {
  received_ += bytes.size();
  if (received_ > 1) {
    return request_error(file(), request, "the answer has more bytes than its range", kFetchOtherwise);
  }
  return ok_status();
}

bool ChangeExchange::is_complete(bool is_whole) const {
  static_cast<void>(is_whole);
  return true;
}

}  // namespace mtpgraft
