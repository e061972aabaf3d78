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
inline std::string base_name(std::string_view path) {
  std::error_code ignored;
  const auto full = std::filesystem::absolute(as_path(path), ignored).lexically_normal();
  return full.has_filename() ? full.filename().string() : full.parent_path().filename().string();
}

}  // namespace mtpgraft
