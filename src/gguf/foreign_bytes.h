// What a file is that does not begin as a GGUF does, by its first bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gguf/foreign_text.h"

namespace mtpgraft {

// `start` is what the file of so many bytes begins with, and not empty.
ForeignKind recognise_bytes(std::string_view start, const std::string& path, std::uint64_t file_bytes);

}  // namespace mtpgraft
