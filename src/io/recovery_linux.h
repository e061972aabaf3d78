// Ending changes in place that were interrupted.
#pragma once

#include "io/journal_linux.h"
#include "io/readable_file_posix.h"
#include "mtpgraft/file.h"

namespace mtpgraft {

// Undoes the change step by step, from the last to the first, and deletes the journal. Interrupted in turn, it goes on
// where it was. `file` is leased.
Status undo_change(const PosixReadableFile& file, JournalFile& journal_file, const AfterStep& after_step = {});

// The same, unless nothing but deleting the journal is missing; then it does that.
Result<Recovery> end_change(const PosixReadableFile& file, JournalFile& journal_file, const AfterStep& after_step = {});

}  // namespace mtpgraft
