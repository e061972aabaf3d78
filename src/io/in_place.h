// What systems can do to change a file in place, for the functions of FileSystem; their comments hold here.
#pragma once

#include <memory>
#include <string>

#include "io/readable_file_posix.h"
#include "mtpgraft/file.h"

namespace mtpgraft {

Status check_changeable(const std::string& path);

// `path` has no journal.
Result<std::unique_ptr<ReadableFile>> open_to_change(const std::string& path);

Result<InPlaceMethod> in_place_method(const PosixReadableFile& file, const InPlaceChange& change);

Result<std::unique_ptr<StagedFile>> stage_in_place(const PosixReadableFile& file, const InPlaceChange& change,
                                                   InPlaceMethod method);

Result<Recovery> recover_in_place(const std::string& path);

}  // namespace mtpgraft
