#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "cli/commands.h"
#include "mtpgraft/context.h"

namespace mtpgraft::cli {

// What phases are called in the progress line, where they are not called as usual; "" shows none.
using PhaseNames = std::map<Phase, std::string_view>;

// Work on `files`, of which each phase is told as --progress wants it: by a line on stderr, where that is a terminal
// and neither --quiet nor --json were given, or by events. It is asked to stop once the user has interrupted the
// program.
Context make_context(FileSystem& files, const OutputOptions& options, const PhaseNames& names);

// Which files events tell these phases to be about, from now on.
void set_phase_paths(const std::map<Phase, std::string>& paths);

// Which graft of a release is worked on, from now on.
void set_graft(std::size_t number, std::size_t count, const std::string& output);

// Whether there is to be a line on stderr that tells how far the work is.
bool shows_progress(const OutputOptions& options);

// Writes the line, in the place of the one that is there.
void show_progress(std::string_view text);

// Removes the line, if there is one, so that something else can be printed.
void erase_progress();

}  // namespace mtpgraft::cli
