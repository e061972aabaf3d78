#include "net/curl_library.h"

#include <dlfcn.h>
#include <fmt/core.h>

#include <string>

namespace mtpgraft {
namespace {

// The binary interface has had this number since 2006.
constexpr const char* kFileName = "libcurl.so.4";

CurlLibrary library;

Status load() {
  const auto unsupported = [](std::string message) {
    return Error{ErrorCode::kUnsupported, std::move(message), {}, {}, "install it (on Debian: apt install libcurl4)"};
  };
  // Never closed: it keeps threads and handlers.
  void* const handle = ::dlopen(kFileName, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return unsupported(fmt::format("reading from servers needs libcurl: {}", ::dlerror()));
  }
#define MTPGRAFT_FIND(name)                                                                \
  library.name = reinterpret_cast<decltype(library.name)>(::dlsym(handle, "curl_" #name)); \
  if (library.name == nullptr) {                                                           \
    return unsupported("reading from servers needs a libcurl that has 'curl_" #name "'");  \
  }
  MTPGRAFT_CURL_FUNCTIONS(MTPGRAFT_FIND)
#undef MTPGRAFT_FIND
  if (const auto code = library.global_init(CURL_GLOBAL_DEFAULT); code != CURLE_OK) {
    return Error{ErrorCode::kIo, fmt::format("libcurl does not start: {}", library.easy_strerror(code))};
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
