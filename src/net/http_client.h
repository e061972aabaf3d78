// HTTP, as far as reading parts of files on servers needs it. Only http_client.cc and http_transfer.cc know libcurl;
// without it http_client_none.cc stands in their place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/context.h"
#include "mtpgraft/file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

struct HttpOptions {
  bool allow_http = false;   // plain http also to hosts other than this machine
  std::string token;         // empty: none. Sent as "Authorization: Bearer" to token_origin only, and never printed
  std::string token_origin;  // "https://huggingface.co", "http://127.0.0.1:8080": scheme, host and, if given, port
  int timeout_seconds = 30;  // without a byte, or until connected
  std::string user_agent;    // "mtpgraft/0.1.0"
  std::function<void(const Retry& retry)> tell_retry;  // may be empty
};

// A file on a server. What the first answer says of it pins it: every further answer must say the same.
struct HttpFile {
  std::string path;         // what messages call it
  std::string url;          // where it is asked for
  std::string validator{};  // its ETag without "W/", else its Last-Modified; empty until the first answer
  std::optional<std::uint64_t> size{};
  std::string redirected_url{};  // where the last answer came from, if elsewhere; asked first, until that fails
};

// A part of a file that is wanted.
struct HttpRange {
  HttpFile* file;
  ByteRange range;  // not empty; the last one may pass the end of a file whose size is not known yet
  // Is given the bytes in order. `file->size` is known by then.
  std::function<Status(std::span<const std::byte>)> use;
  // Called after the last byte of the range, or of the file.
  std::function<Status()> finish;
};

struct HttpDocument {
  int status = 0;          // 200, 304, or 400 and above; everything else, and what was tried in vain, is an error
  std::string body;        // of 200
  std::string validator;   // as in HttpFile; may be empty
  std::string error_code;  // X-Error-Code: "GatedRepo", "RepoNotFound", ...
};

class HttpClient {
 public:
  HttpClient() = default;
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  virtual ~HttpClient() = default;

  // A whole document. With a `validator` that still holds the answer is 304. Fails with kMalformed if the body has more
  // than `bytes_max`.
  virtual Result<HttpDocument> get(const HttpFile& file, std::uint64_t bytes_max, const std::string& validator,
                                   const Progress& progress) = 0;

  // Whether the file is still what its validator says; sends at most a byte.
  virtual Result<bool> is_unchanged(HttpFile& file, const Progress& progress) = 0;

  // Gets ranges, up to four at once. What comes in vain (429, 5xx, timeouts, broken connections) is tried again after a
  // pause, from the last byte received on; but a
  // server that cannot be found or reached is an error at once until a first byte has come from any. Fails with kIo if
  // an answer is not 206 with the very range, or is of another state of the file; the body is then not read. `progress`
  // is called several times a second, also with 0 bytes.
  virtual Status get_ranges(std::span<HttpRange> ranges, const Progress& progress) = 0;
};

// Fails with kUnsupported in a program that was built without libcurl, or where there is none.
Result<std::unique_ptr<HttpClient>> make_http_client(const HttpOptions& options);

}  // namespace mtpgraft
