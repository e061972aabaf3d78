// URLs as messages may show them.
#pragma once

#include <string>
#include <string_view>

namespace mtpgraft {

// For messages: without the query, which may be a signature, and without user name and password.
std::string url_without_query(std::string_view url);

// Whether a word of a command line, a URL or NAME=URL, may have a password or a signature in it.
bool has_secret(std::string_view word);
std::string without_secret(std::string_view word);

}  // namespace mtpgraft
