// One request to a program that answers in its own time, such as a llama-server: no redirects, no second try.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "mtpgraft/file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

struct HttpAnswer {
  int status = 0;  // whatever it is
  std::string body{};
};

class HttpCaller {
 public:
  HttpCaller() = default;
  HttpCaller(const HttpCaller&) = delete;
  HttpCaller& operator=(const HttpCaller&) = delete;
  virtual ~HttpCaller() = default;

  // Sends `json` by POST, or where it is empty a GET. Calls `progress` several times a second, with 0 bytes. Fails with
  // kIo if there is no answer within `timeout`, or one of more than `bytes_max`, with kInterrupted where `progress`
  // says so.
  virtual Result<HttpAnswer> call(const std::string& url, const std::string& json, std::chrono::seconds timeout,
                                  std::uint64_t bytes_max, const Progress& progress) = 0;
};

// `api_key` is sent as "Authorization: Bearer", if it is not empty. Fails with kUnsupported in a program that was built
// without libcurl, or where there is none.
Result<std::unique_ptr<HttpCaller>> make_http_caller(const std::string& api_key);

}  // namespace mtpgraft
