#include "util/programs.h"

#include <filesystem>
#include <sstream>
#include <system_error>

#include "util/environment.h"
#include "util/file_names.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

namespace fs = std::filesystem;

constexpr auto kExecutable = fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;

bool is_program(const fs::path& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  return fs::is_regular_file(status) && (status.permissions() & kExecutable) != fs::perms::none;
}

}  // namespace

std::vector<std::string> find_programs(std::string_view name) {
  std::vector<std::string> programs;
  std::istringstream path(environment("PATH"));
  for (std::string directory; std::getline(path, directory, path_separator());) {
    const auto program = as_path(directory) / program_file_name(name);
    if (as_path(directory).is_absolute() && is_program(program)) {
      programs.push_back(program.string());
    }
  }
  return programs;
}

}  // namespace mtpgraft
