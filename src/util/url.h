// URLs: how users write them, and how messages may show them.
#pragma once

#include <string>
#include <string_view>

namespace mtpgraft {

// The one spelling of a word that may name something on a server: the scheme in lower case, and for the Hugging Face
// Hub, by whichever of its names, with scheme or without, "https://huggingface.co/...". Other words stay as they are.
std::string plain_url(std::string_view word);

// For messages: without the query, which may be a signature, and without user name and password.
std::string url_without_query(std::string_view url);

// Whether a word of a command line, a URL or NAME=URL, may have a password or a signature in it.
bool has_secret(std::string_view word);
std::string without_secret(std::string_view word);

}  // namespace mtpgraft
