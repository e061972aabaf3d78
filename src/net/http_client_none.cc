#include "mtpgraft/remote.h"
#include "net/http_call.h"
#include "net/http_client.h"

namespace mtpgraft {

Result<std::unique_ptr<HttpClient>> make_http_client(const HttpOptions& options) {
  static_cast<void>(options);
  return Error{.code = ErrorCode::kUnsupported,
               .message = "this mtpgraft was built without libcurl, and reads nothing from servers",
               .hint = "download the file by other means, and name that"};
}

Result<std::unique_ptr<HttpCaller>> make_http_caller(const std::string& api_key) {
  static_cast<void>(api_key);
  return Error{.code = ErrorCode::kUnsupported,
               .message = "this mtpgraft was built without libcurl, and talks to no server"};
}

bool has_http() { return false; }

std::string http_library() { return {}; }

}  // namespace mtpgraft
