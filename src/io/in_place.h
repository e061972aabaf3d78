// Changing a file in place: appending behind its end, inserting blocks at its front, and writing a new header over
// them, with a journal beside the file from before the first change until after the last.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "io/posix_readable_file.h"
#include "mtpgraft/file.h"

namespace mtpgraft {

// Opens the file for reading and writing, with a lease: fails with kRefused if any program has it open.
Result<std::unique_ptr<PosixReadableFile>> open_with_lease(const std::string& path);

// Nothing if blocks can be inserted into `file` for this change, else why not.
Status check_insertion(const PosixReadableFile& file, const InPlaceChange& change);

// As FileSystem::stage_in_place(), by insertion. `after_step` is called after everything that changes a file, with a
// word for it, so that tests can stop there.
std::unique_ptr<StagedFile> stage_insertion(const PosixReadableFile& file, const InPlaceChange& change,
                                            std::function<void(std::string_view)> after_step = {});

}  // namespace mtpgraft
