// stdout is the answer, stderr is everything else.
#pragma once

#include <string>
#include <string_view>

#include "mtpgraft/result.h"
#include "report/remedy.h"

namespace mtpgraft::cli {

struct OutputOptions;

// Warnings go to stderr unless --quiet is given.
void set_up_log(const OutputOptions& options);
void log_warning(std::string_view message);
void log_note(std::string_view message);     // likewise
void log_problem(std::string_view message);  // also with --quiet

// Prints the error on stderr, in the words of the command line or of a plan.
void log_error(const Error& error, report::Front front);

// Prints the error on stderr, or as the JSON object of `command` on stdout; returns its exit code.
int report_error(const Error& error, std::string_view command, bool json);

// Prints an answer; a failing stdout (a full disk behind a redirection) is an error.
Status print_answer(std::string_view text);

}  // namespace mtpgraft::cli
