// Paths that a shell or a person has spelled in another way than the system wants them. Nothing is looked up: what is
// there is asked of the caller.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace mtpgraft {

// A path as it was probably meant, and why it is not what was given.
struct Spelling {
  std::string path;
  std::string reason;
};

// Tries what is not expanded ("~/x", "$HOME/x"), URLs (file:///x, x%20y), characters that only look like those of the
// keyboard, spaces and quotes around a name, backslashes, and KEY=PATH; each on what the one before has made of it.
// Returns the first that is there.
std::optional<Spelling> find_spelling(const std::string& path, const std::function<bool(const std::string&)>& is_there);

// Of a path with a variable of the shell that is set: that it was not expanded. Its value may be a secret, and is shown
// only where find_spelling() finds a file by it. Else empty.
std::string_view unexpanded(const std::string& path);

// Of what can be nothing but meant otherwise: "~/x", file:///x.
std::optional<Spelling> certain_spelling(const std::string& path);

// Of the path of a file that is to be made: a drive of Windows, and in the file's name a backslash, a '=' in front, or
// quotes, commas or spaces around it. Nothing if it may be meant as it is.
std::optional<Spelling> find_slip(const std::string& path);

}  // namespace mtpgraft
