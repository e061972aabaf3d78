// JSON from files and servers. All of it is parsed here: it is measured before a tree is made of it.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "mtpgraft/result.h"
#include "util/json_limits.h"

namespace mtpgraft {

// Returns what `text` is, a nlohmann::json or ordered_json. Fails with kUnsupported where it exceeds the limits, with
// kMalformed where it is not JSON; the error has no path. `callback` is that of the parser.
template <class Json>
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {},
                        const std::type_identity_t<typename Json::parser_callback_t>& callback = nullptr) {
  if (auto excess = find_json_excess(text, limits)) {
    return Error{.code = ErrorCode::kUnsupported, .message = std::move(excess->message), .offset = excess->offset};
  }
  const auto not_json = [](std::string_view what, std::optional<std::uint64_t> offset) {
    const auto words = std::min(what.find("] ") + 2, what.size());
    return Error{
        .code = ErrorCode::kMalformed, .message = "is not JSON: " + std::string(what.substr(words)), .offset = offset};
  };
  try {
    return Json::parse(text, callback);
  } catch (const typename Json::parse_error& error) {
    return not_json(error.what(), error.byte > 0 ? error.byte - 1 : 0);
  } catch (const typename Json::exception& error) {
    return not_json(error.what(), {});  // a number that no double can hold
  }
}

}  // namespace mtpgraft
