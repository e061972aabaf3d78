// Small files that are read or written whole.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mtpgraft/file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// Fails with kMalformed if the file has more than `bytes_max`.
Result<std::string> read_text(const ReadableFile& file, std::uint64_t bytes_max);

// Gives the file its name when all of it is written.
Status write_text(FileSystem& files, const std::string& path, std::string_view text, Permissions permissions,
                  Overwrite overwrite, Durability durability);

}  // namespace mtpgraft
