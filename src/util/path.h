// Text becomes a path here and nowhere else. In the program paths are UTF-8, while std::filesystem::path takes a
// std::string for text of the locale, which may be something else on Windows.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace mtpgraft {

inline std::filesystem::path as_path(std::string_view text) {
  return {reinterpret_cast<const char8_t*>(text.data()), reinterpret_cast<const char8_t*>(text.data() + text.size())};
}

// The last part of a path, of "dir/" and ".." as well.
std::string base_name(std::string_view path);

// The directory that a path is in; "." of a plain name.
std::string parent_of(std::string_view path);

// Where symbolic links lead; `path` itself if there is nothing.
std::string real_path(const std::string& path);

// Where `path` leads if its last part is a symbolic link; else, and if it leads nowhere, `path` itself.
std::string link_destination(const std::string& path);

}  // namespace mtpgraft
