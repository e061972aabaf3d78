// What is said of a command line that cannot be understood: what was probably meant, as a line that can be.
#pragma once

#include "cli/words.h"

namespace CLI {
class ParseError;
}

namespace mtpgraft::cli {

// The words of a command line with the options that every command has behind the command, and with "help" and
// "version" as the options that they stand for.
Words put_in_order(const Words& words, const CLI::App& app);

// The first word is no command.
Error explain_no_command(const Words& words, const CLI::App& app, const IsUnderstood& is_understood);

// CLI11 has refused the words; `app` is as it left it.
Error explain_refusal(const CLI::ParseError& error, const Words& words, const CLI::App& app,
                      const IsUnderstood& is_understood);

}  // namespace mtpgraft::cli
