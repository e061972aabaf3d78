#include "net/http_call.h"

#include <fmt/format.h>

#include <utility>

#include "io/stream.h"
#include "net/curl_library.h"
#include "net/http_transfer.h"

namespace mtpgraft {
namespace {

constexpr int kPollMilliseconds = 100;

struct Body {
  std::string text;
  std::uint64_t bytes_max;
  bool is_too_long = false;
};

std::size_t take_body(char* bytes, std::size_t /*size*/, std::size_t count, void* user) {
  auto& body = *static_cast<Body*>(user);
  body.is_too_long = count > body.bytes_max - body.text.size();
  if (body.is_too_long) {
    return CURL_WRITEFUNC_ERROR;
  }
  body.text.append(bytes, count);
  return count;
}

class CurlCaller : public HttpCaller {
 public:
  explicit CurlCaller(const std::string& api_key) : multi_(required(curl().multi_init())) {
    add_header("Content-Type: application/json");
    if (!api_key.empty()) {
      add_header(fmt::format("Authorization: Bearer {}", api_key));
    }
  }

  Result<HttpAnswer> call(const std::string& url, const std::string& json, std::chrono::seconds timeout,
                          std::uint64_t bytes_max, const Progress& progress) override {
    // A new handle for each: a server that was started anew is another one.
    const CurlEasy easy(required(curl().easy_init()));
    const auto set = [&](CURLoption option, auto value) { curl().easy_setopt(easy.get(), option, value); };
    Body body{{}, bytes_max};
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_TIMEOUT, static_cast<long>(timeout.count()));
    set(CURLOPT_HTTPHEADER, headers_.get());
    set(CURLOPT_WRITEFUNCTION, &take_body);
    set(CURLOPT_WRITEDATA, &body);
    if (!json.empty()) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json.size()));
      set(CURLOPT_POSTFIELDS, json.c_str());
    }
    MTPGRAFT_TRY(const auto code, perform(easy.get(), progress));
    if (code != CURLE_OK) {
      return Error{.code = ErrorCode::kIo,
                   .message = body.is_too_long ? fmt::format("answers with more than {} bytes", bytes_max)
                                               : std::string(curl().easy_strerror(code)),
                   .path = url};
    }
    long status = 0;
    curl().easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    return HttpAnswer{static_cast<int>(status), std::move(body.text)};
  }

 private:
  void add_header(const std::string& line) {
    auto* const extended = required(curl().slist_append(headers_.get(), line.c_str()));
    static_cast<void>(headers_.release());
    headers_.reset(extended);
  }

  Result<CURLcode> perform(CURL* easy, const Progress& progress) {
    curl().multi_add_handle(multi_.get(), easy);
    int running = 1;
    Status status = ok_status();
    while (status.ok() && running > 0) {
      curl().multi_perform(multi_.get(), &running);
      if (running > 0) {
        curl().multi_poll(multi_.get(), nullptr, 0, kPollMilliseconds, nullptr);
        status = report_progress(progress, 0);
      }
    }
    int left = 0;
    const auto* message = curl().multi_info_read(multi_.get(), &left);
    const auto code = message != nullptr ? message->data.result : CURLE_OK;
    curl().multi_remove_handle(multi_.get(), easy);
    MTPGRAFT_CHECK(status);
    return code;
  }

  CurlMulti multi_;
  CurlHeaders headers_;
};

}  // namespace

Result<std::unique_ptr<HttpCaller>> make_http_caller(const std::string& api_key) {
  MTPGRAFT_CHECK(load_curl());
  return std::unique_ptr<HttpCaller>(std::make_unique<CurlCaller>(api_key));
}

}  // namespace mtpgraft
