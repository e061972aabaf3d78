#include "net/curl_library.h"

#include <fmt/core.h>

#include <string>

#include "util/dynamic_library.h"
#include "util/file_names.h"

namespace mtpgraft {
namespace {

CurlLibrary library;

Status load() {
  const auto unsupported = [](std::string message) {
    return Error{.code = ErrorCode::kUnsupported,
                 .message = std::move(message),
                 .hint = "install it (on Debian: apt install libcurl4)"};
  };
  // The binary interface has had this number since 2006.
  const auto loaded = load_library(library_file_name("curl", 4));
  if (!loaded.ok()) {
    const auto& error = loaded.error();
    return unsupported(fmt::format("reading from servers needs libcurl: {}: {}", error.path, error.message));
  }
#define MTPGRAFT_FIND(name)                                                                                \
  library.name = reinterpret_cast<decltype(library.name)>(find_in_library(loaded.value(), "curl_" #name)); \
  if (library.name == nullptr) {                                                                           \
    return unsupported("reading from servers needs a libcurl that has 'curl_" #name "'");                  \
  }
  MTPGRAFT_CURL_FUNCTIONS(MTPGRAFT_FIND)
#undef MTPGRAFT_FIND
  if (const auto code = library.global_init(CURL_GLOBAL_DEFAULT); code != CURLE_OK) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("libcurl does not start: {}", library.easy_strerror(code))};
  }
  return ok_status();
}

}  // namespace

Status load_curl() {
  static const auto loaded = load();
  return loaded;
}

const CurlLibrary& curl() { return library; }

}  // namespace mtpgraft
