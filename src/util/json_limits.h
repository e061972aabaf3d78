// JSON from files, measured before a parser makes a tree of it: trees are walked by recursion and take many times the
// memory of their text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mtpgraft {

struct JsonExcess {
  std::string message;  // "is nested more than 64 levels deep"
  std::size_t offset;
};

// What of the text no file of ours needs: deep nesting, long strings and numbers, more than `separators_max` commas and colons, of
// which every value but the first of a list has one. Says nothing about whether it is JSON.
std::optional<JsonExcess> find_json_excess(std::string_view text, std::size_t separators_max);

}  // namespace mtpgraft
