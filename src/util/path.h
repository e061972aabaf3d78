// Text becomes a path here and nowhere else. In the program paths are UTF-8, while std::filesystem::path takes a
// std::string for text of the locale, which may be something else on Windows.
#pragma once

#include <filesystem>
#include <string_view>

namespace mtpgraft {

inline std::filesystem::path as_path(std::string_view text) {
  return {reinterpret_cast<const char8_t*>(text.data()), reinterpret_cast<const char8_t*>(text.data() + text.size())};
}

}  // namespace mtpgraft
