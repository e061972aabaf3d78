// stdout is the answer, stderr is everything else.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "mtpgraft/head.h"
#include "mtpgraft/result.h"
#include "report/remedy.h"

namespace mtpgraft::cli {

// All go to stderr, as text or as events. --quiet leaves out notes, and nothing else.
void set_up_log(const OutputOptions& options, std::string_view command);
void log_warning(const Warning& warning);
void log_warnings(const std::vector<Warning>& warnings);
void log_note(std::string_view message);
void log_problem(std::string_view message);

// Prints the error on stderr, in the words of the command line or of a plan.
void log_error(const Error& error, report::Front front);

// Prints the error on stderr, or as the JSON object of `command` on stdout, or on stderr after all if stdout fails;
// returns its exit code.
int report_error(const Error& error, std::string_view command, bool json);

// Prints text on stdout; a failing one (a full disk behind a redirection) is an error. Where only the answer is lost, a
// pipe that nobody reads any more ends the program, as it ends others.
Status print_text(std::string_view text, std::string_view done = {});

// Whether --quiet leaves an answer for people out.
enum class Quiet { kOmits, kPrints };

// Prints the answer of a command: one line of JSON with --json, else the text for people. `done`, which may be empty,
// tells what the command has made; it is part of the error if the answer cannot be printed.
Status print_answer(const OutputOptions& output, const std::function<std::string()>& json,
                    const std::function<std::string()>& text, Quiet quiet = Quiet::kOmits, std::string_view done = {});

}  // namespace mtpgraft::cli
