// Ending changes in place that were interrupted.
#pragma once

#include <string>

#include "io/journal.h"
#include "io/posix_readable_file.h"
#include "mtpgraft/file.h"

namespace mtpgraft {

// Undoes the change step by step, from the last to the first; or finishes it if nothing is missing. Interrupted in
// turn, it goes on where it was. `file` is leased.
Result<Recovery> end_change(const PosixReadableFile& file, const Journal& journal);

// As FileSystem::recover().
Result<Recovery> recover_in_place(const std::string& path);

}  // namespace mtpgraft
