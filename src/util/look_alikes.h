// Characters that look like those that a shell takes, and are others: word processors, chats and web pages put them in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mtpgraft {

struct Retyped {
  std::string text;                    // as it is typed on a keyboard
  std::vector<std::string_view> what;  // "an en dash (U+2013)", each once; empty if the text is as it was
};

// Puts hyphens for dashes, spaces for those that do not break, and straight quotes for curly ones; leaves out what
// cannot be seen. A dash that begins the text, before more than one letter, is the "--" of an option.
Retyped retype(std::string_view text);

}  // namespace mtpgraft
