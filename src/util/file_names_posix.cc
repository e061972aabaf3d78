#include "util/file_names.h"

#include <fmt/core.h>

namespace mtpgraft {

std::string library_file_name(std::string_view name) { return fmt::format("lib{}.so", name); }

std::string library_file_name(std::string_view name, int interface_number) {
  return fmt::format("lib{}.so.{}", name, interface_number);
}

std::string program_file_name(std::string_view name) { return std::string(name); }

char path_separator() { return ':'; }

}  // namespace mtpgraft
