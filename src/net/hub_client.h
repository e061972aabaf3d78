// The client of a source: it is made when a server is to be asked for the first time, and keeps off the hub where
// HF_HUB_OFFLINE says so.
#pragma once

#include <memory>

#include "net/http_client.h"

namespace mtpgraft {

// The token's origin is the hub. Asking fails as make_http_client() does, and with kIo for what the hub is not to be
// asked for.
std::unique_ptr<HttpClient> make_hub_client(HttpOptions options, bool is_offline);

}  // namespace mtpgraft
