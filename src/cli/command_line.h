// The whole command line: all commands in one tree, and what is said of one that is wrong.
#pragma once

#include <optional>

#include "cli/commands.h"

namespace mtpgraft::cli {

// Enters all commands into `app`, which must outlive `program`, and reads the command line. Returns the exit code if
// there is nothing to run: help was printed, or the command line is wrong.
std::optional<int> parse_command_line(int argc, const char* const* argv, CLI::App& app, Program& program);

}  // namespace mtpgraft::cli
