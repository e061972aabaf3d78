#include "io/journal_name.h"

#include <filesystem>
#include <string_view>
#include <system_error>

#include "io/io_posix.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kEnding = ".mtpgraft-journal";

}  // namespace

std::string journal_path(const std::string& path) { return real_path(path).append(kEnding); }

std::string file_of_journal(const std::string& path) {
  return path.size() > kEnding.size() && path.ends_with(kEnding) ? path.substr(0, path.size() - kEnding.size()) : "";
}

Result<bool> has_journal(const std::string& path) {
  std::error_code error;
  // What stands under its name may be anything, also a link to nothing: recover() tells.
  const auto status = std::filesystem::symlink_status(as_path(journal_path(path)), error);
  // Where the journal's name would be too long there cannot be one.
  if (status.type() == std::filesystem::file_type::not_found || error == std::errc::filename_too_long) {
    return false;
  }
  if (error) {
    return input_error(path, "open", error.value());
  }
  return true;
}

}  // namespace mtpgraft
