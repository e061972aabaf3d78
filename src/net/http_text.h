// What stands in URLs and in the headers of HTTP answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mtpgraft/file.h"
#include "mtpgraft/result.h"
#include "net/http_client.h"

namespace mtpgraft {

// "bytes 0-499/1234". Nothing if it is not exactly that: the whole must be known and hold the range.
struct ContentRange {
  ByteRange range;
  std::uint64_t size;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

// Scheme, host and port (the scheme's, if none is given), in lower case: "https://huggingface.co:443". Empty if it is
// no http or https URL, or has a user name.
std::string origin_of(std::string_view url);

// localhost, 127.0.0.0/8, [::1].
bool is_loopback(std::string_view origin);

// Whether a server that answered this may answer otherwise later.
bool is_transient_status(int status);

// The error for a status of 400 and above. `request` is "GET https://... (bytes 0-99)"; `error_code` and
// `has_token` tell what would help.
Error explain_status(int status, const std::string& request, const HttpFile& file, std::string_view error_code,
                     bool has_token);

}  // namespace mtpgraft
