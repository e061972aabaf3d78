// Text for people: sizes, counts, and strings from files that must not reach a terminal as they are.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mtpgraft {

// What a terminal would obey or hide becomes \n, \t, \x1b...: control characters, invalid UTF-8, and characters that
// have no width or change the direction of text. Everything else stays.
std::string printable(std::string_view text);

// The same for a message, which may quote names of any length: of a long one the middle is left out.
std::string printable_message(std::string_view text);

bool is_utf8(std::string_view text);

// The text as one word of a POSIX shell, quoted where that is needed, and printable.
std::string shell_word(std::string_view text);

// The same of a path, which is never taken for an option.
std::string shell_quoted(std::string_view text);

// The same, in quotes also where none are needed: for a name in a sentence, which can be pasted.
std::string quoted_name(std::string_view name);

// The first few words: "a, b or c", with `last` as " or ", or "a, b and 7 more".
std::string list_some(const std::vector<std::string>& words, std::string_view last);

// "6.4 MiB", "812 bytes".
std::string format_bytes(std::uint64_t bytes);

// The same in powers of ten, as disks and web pages count: "7.0 MB".
std::string format_bytes_decimal(std::uint64_t bytes);

// "27,356,160".
std::string format_count(std::uint64_t count);

// Columns two spaces apart, each as wide as its widest cell; no spaces at line ends.
std::string format_table(const std::vector<std::vector<std::string>>& rows, std::string_view indent);

// The one of `candidates` that was probably meant: at most two letters are wrong, missing, or too many. Empty if there
// is none.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace mtpgraft
