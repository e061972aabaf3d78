#pragma once

#include <map>
#include <string_view>

#include "cli/commands.h"
#include "mtpgraft/context.h"

namespace mtpgraft::cli {

// What phases are called in the progress line, where they are not called as usual; "" shows none.
using PhaseNames = std::map<Phase, std::string_view>;

// Work on `files` with a progress line on stderr for each phase, where that is a terminal and --quiet was not given. It
// is asked to stop once the user has interrupted the program.
Context make_context(FileSystem& files, const OutputOptions& options, const PhaseNames& names);

// Removes the line, if there is one, so that something else can be printed.
void erase_progress();

}  // namespace mtpgraft::cli
