// JSON from files, measured before a parser makes a tree of it: trees are walked by recursion and take many times the
// memory of their text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mtpgraft {

struct JsonExcess {
  std::string message;  // "is nested more than 64 levels deep"
  std::size_t offset;
};

struct JsonLimits {
  std::size_t separators = SIZE_MAX;   // commas and colons, of which every value but the first of a list has one
  std::size_t token_bytes = SIZE_MAX;  // of a string or number
  // Keys of one object. An ordered_json looks through all of them for each that is added.
  std::size_t object_keys = SIZE_MAX;
};

// The first place where the text exceeds the limits, is nested deeper than anything that is meant well, or has a zero
// byte, which the parser takes for the end. Does not tell whether it is JSON.
std::optional<JsonExcess> find_json_excess(std::string_view text, const JsonLimits& limits = {});

}  // namespace mtpgraft
