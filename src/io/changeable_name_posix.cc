#include "io/changeable_name.h"

#include <filesystem>
#include <system_error>

#include "io/io_posix.h"
#include "util/path.h"
#include "util/stored_name.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

// Whether it is a symbolic link to a file. What leads to none cannot be opened, which tells more.
bool is_link(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_symlink(as_path(path), ignored) && std::filesystem::exists(as_path(path), ignored) &&
         !std::filesystem::is_directory(as_path(path), ignored);
}

}  // namespace

Status check_no_link(const std::string& path) {
  std::error_code error;
  const auto type = std::filesystem::symlink_status(as_path(path), error).type();
  // What is not there cannot be opened, which tells more.
  if (error && type != std::filesystem::file_type::not_found) {
    return input_error(path, "open", error.value());
  }
  if (!is_link(path)) {
    return ok_status();
  }
  return Error{.code = ErrorCode::kRefused,
               .message = "is a symbolic link, and the file that it leads to would be changed",
               .path = path,
               .hint = "if that is meant, name the file itself: " + shell_quoted(real_path(path))};
}

Status check_own_name(const std::string& path) {
  if (is_digest_name(link_destination(path))) {
    return Error{.code = ErrorCode::kRefused,
                 .message = is_link(path) ? "is a symbolic link to a file that is called by the digest of its bytes: "
                                            "what uses that file would get another one"
                                          : "is called by the digest of its bytes: what uses this file would get "
                                            "another one",
                 .path = path,
                 .remedy = Remedy::kNameNewFile};
  }
  auto status = check_no_link(path);
  if (!status.ok()) {
    status.error().remedy = Remedy::kWriteNewFile;
  }
  return status;
}

}  // namespace mtpgraft
