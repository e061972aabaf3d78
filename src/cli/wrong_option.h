// What is said of an option that a command does not have.
#pragma once

#include <optional>
#include <string>

#include "cli/words.h"

namespace mtpgraft::cli {

// The option of the command that a name was meant for; empty if there is none.
std::string meant_option(const CLI::App& command, const std::string& name);

// "graft, verify": the commands that have the option; may be empty.
std::string owners_of(const std::string& option, const CLI::App& app);

Error explain_option(const std::string& word, const Words& words, const CLI::App& command, const CLI::App& app,
                     const IsUnderstood& is_understood);

// "-force", which CLI11 would take for -f -o rce. Nothing if there is no such word.
std::optional<Error> find_single_dash(const Words& words, const CLI::App& app, const IsUnderstood& is_understood);

}  // namespace mtpgraft::cli
