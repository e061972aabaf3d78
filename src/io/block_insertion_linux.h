// Changing a file in itself, with a journal beside it from before the first change until after the last: inserting
// blocks at its front, writing a new header over them and appending behind its end, or the reverse.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "io/journal_linux.h"
#include "io/readable_file_posix.h"
#include "mtpgraft/file.h"

namespace mtpgraft {

// Opens the file for reading and writing, with a lease: fails with kRefused if any program has it open.
Result<std::unique_ptr<PosixReadableFile>> open_with_lease(const std::string& path);

// fallocate() with this mode; `action` tells what for.
Status change_blocks(int fd, const std::string& path, int mode, std::string_view action, std::uint64_t offset,
                     std::uint64_t length);

// Nothing if `file` itself can be changed so, else why not.
Status check_change(const PosixReadableFile& file, const InPlaceChange& change);

// As FileSystem::stage_in_place(), in the file itself.
std::unique_ptr<StagedFile> stage_change(const PosixReadableFile& file, const InPlaceChange& change,
                                         AfterStep after_step = {});

}  // namespace mtpgraft
