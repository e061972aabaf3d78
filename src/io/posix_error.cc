#include "io/posix_error.h"

#include <fmt/core.h>

#include <filesystem>
#include <system_error>

namespace mtpgraft {

Error io_error(const std::string& path, std::string_view action, int number) {
  Error error{ErrorCode::kIo, fmt::format("cannot {}: {}", action, std::generic_category().message(number)), path};
  if (number == ENOSPC || number == EDQUOT) {
    error.hint = "free some space, or write to another disk with -o";
  }
  return error;
}

bool is_unsupported(int number) {
  return number == ENOSYS || number == EOPNOTSUPP || number == ENOTTY || number == EXDEV || number == EINVAL ||
         number == EPERM || number == EBADF || number == ETXTBSY;
}

std::string parent_of(const std::string& path) {
  auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

}  // namespace mtpgraft
