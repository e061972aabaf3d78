#include "util/path.h"

#include <system_error>

namespace mtpgraft {

std::string base_name(std::string_view path) {
  std::error_code ignored;
  const auto full = std::filesystem::absolute(as_path(path), ignored).lexically_normal();
  return full.has_filename() ? full.filename().string() : full.parent_path().filename().string();
}

std::string parent_of(std::string_view path) {
  const auto parent = as_path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

std::string real_path(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::canonical(as_path(path), error);
  return error ? path : real.string();
}

std::string link_destination(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_symlink(as_path(path), ignored) ? real_path(path) : path;
}

}  // namespace mtpgraft
