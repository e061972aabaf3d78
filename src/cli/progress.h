#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "mtpgraft/file.h"

namespace mtpgraft::cli {

struct OutputOptions;

// A progress line on stderr, where that is a terminal and --quiet was not given. The function also answers false once
// the user has interrupted the program. With a total of 0 the line shows no share.
Progress make_progress(std::string label, std::uint64_t total_bytes, const OutputOptions& options);

// Makes the progress lines of what comes over the network.
std::function<Progress(std::uint64_t total_bytes)> fetch_progress(const OutputOptions& options);

// Removes the line, if there is one, so that something else can be printed.
void erase_progress();

// Whether the answer is for people, and not for another program.
bool stdout_is_terminal();

// From now on SIGINT, SIGTERM and, unless it is ignored, SIGHUP are noted; a second one kills.
void note_signals();

// Ends the program by the noted signal, as its caller expects. Does nothing if there is none.
void raise_noted_signal();

}  // namespace mtpgraft::cli
