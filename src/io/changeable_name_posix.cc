#include "io/changeable_name.h"

#include <filesystem>
#include <system_error>

#include "io/io_posix.h"
#include "util/path.h"
#include "util/stored_name.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

// Whether it is a symbolic link to a file. What is not there, or leads to nothing, cannot be opened, which tells more.
Result<bool> is_link(const std::string& path) {
  std::error_code error;
  const auto type = std::filesystem::symlink_status(as_path(path), error).type();
  if (error && type != std::filesystem::file_type::not_found) {
    return input_error(path, "open", error.value());
  }
  return type == std::filesystem::file_type::symlink && std::filesystem::exists(as_path(path), error) &&
         !std::filesystem::is_directory(as_path(path), error);
}

Error refuse_link(const std::string& path, Remedy remedy) {
  return {.code = ErrorCode::kRefused,
          .message = "is a symbolic link, and the file that it leads to would be changed",
          .path = path,
          .hint = "if that is meant, name the file itself: " + shell_quoted(real_path(path)),
          .remedy = remedy};
}

}  // namespace

Status check_no_link(const std::string& path) {
  MTPGRAFT_TRY(const bool leads_elsewhere, is_link(path));
  return leads_elsewhere ? Status(refuse_link(path, Remedy::kNone)) : ok_status();
}

Status check_own_name(const std::string& path) {
  MTPGRAFT_TRY(const bool leads_elsewhere, is_link(path));
  if (is_digest_name(leads_elsewhere ? real_path(path) : path)) {
    return Error{.code = ErrorCode::kRefused,
                 .message = leads_elsewhere ? "is a symbolic link to a file that is called by the digest of its bytes: "
                                              "what uses that file would get another one"
                                            : "is called by the digest of its bytes: what uses this file would get "
                                              "another one",
                 .path = path,
                 .remedy = Remedy::kNameNewFile};
  }
  return leads_elsewhere ? Status(refuse_link(path, Remedy::kWriteNewFile)) : ok_status();
}

}  // namespace mtpgraft
