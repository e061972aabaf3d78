// What the files of libraries and programs are called on this system.
#pragma once

#include <string>
#include <string_view>

namespace mtpgraft {

// "ggml-base" is "libggml-base.so", and with the number of its binary interface "libggml-base.so.0".
std::string library_file_name(std::string_view name);
std::string library_file_name(std::string_view name, int interface_number);

std::string program_file_name(std::string_view name);

// Between the directories of PATH.
char path_separator();

}  // namespace mtpgraft
