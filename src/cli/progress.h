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

// Whether the answer is for people, and not for another program.
bool stdout_is_terminal();

// From now on SIGINT, SIGTERM and, unless it is ignored, SIGHUP are noted; a second one kills.
void note_signals();

// Ends the program by the noted signal, as its caller expects. Does nothing if there is none.
void raise_noted_signal();

}  // namespace mtpgraft::cli
