// What a person has got wrong in JSON that was written by hand, where a parser only tells what it expected.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mtpgraft {

struct JsonFault {
  std::size_t offset;
  std::string what;  // "there is a comma before ']'"
  std::string hint;  // "take it out"
};

// The first fault; nothing if none is known. Numbers and the characters of strings are not looked at.
std::optional<JsonFault> find_json_fault(std::string_view text);

// "line 3, column 7" of a byte.
std::string text_position(std::string_view text, std::size_t offset);

}  // namespace mtpgraft
