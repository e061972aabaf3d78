// Reads JSON that comes from elsewhere.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace mtpgraft {

// What the text says; discarded if it is no JSON, or nested deeper than any that is meant well: copying and writing
// values recurse, and would run out of stack.
template <class T>
T parse_json(std::string_view text) {
  constexpr int kDepthMax = 64;
  bool is_deep = false;
  auto json = T::parse(
      text,
      [&](int depth, typename T::parse_event_t, T&) {
        is_deep = is_deep || depth > kDepthMax;
        return !is_deep;
      },
      /*allow_exceptions=*/false);
  return is_deep ? T(T::value_t::discarded) : json;
}

}  // namespace mtpgraft
