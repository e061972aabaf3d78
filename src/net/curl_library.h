// libcurl, loaded when it is first needed. Linked, it would bring thirty further libraries into every start of the
// program, which take longer to load than most commands take to run.
#pragma once

#include <curl/curl.h>

#include <memory>

#include "mtpgraft/result.h"

namespace mtpgraft {

#define MTPGRAFT_CURL_FUNCTIONS(use)                                                                                \
  use(easy_cleanup) use(easy_getinfo) use(easy_header) use(easy_init) use(easy_setopt) use(easy_strerror) use(free) \
      use(global_init) use(multi_add_handle) use(multi_cleanup) use(multi_info_read) use(multi_init)                \
          use(multi_perform) use(multi_poll) use(multi_remove_handle) use(multi_strerror) use(slist_append)         \
              use(slist_free_all) use(url) use(url_cleanup) use(url_get) use(url_set) use(version_info)

// The functions by their names without "curl_".
struct CurlLibrary {
#define MTPGRAFT_DECLARE(name) decltype(&::curl_##name) name = nullptr;
  MTPGRAFT_CURL_FUNCTIONS(MTPGRAFT_DECLARE)
#undef MTPGRAFT_DECLARE
};

// Loads and starts it at the first call. Fails with kUnsupported if the system has none.
Status load_curl();

// After load_curl().
const CurlLibrary& curl();

struct FreeCurlMulti {
  void operator()(CURLM* multi) const { curl().multi_cleanup(multi); }
};
struct FreeCurlEasy {
  void operator()(CURL* easy) const { curl().easy_cleanup(easy); }
};
struct FreeCurlHeaders {
  void operator()(curl_slist* headers) const { curl().slist_free_all(headers); }
};
using CurlMulti = std::unique_ptr<CURLM, FreeCurlMulti>;
using CurlEasy = std::unique_ptr<CURL, FreeCurlEasy>;
using CurlHeaders = std::unique_ptr<curl_slist, FreeCurlHeaders>;

}  // namespace mtpgraft
