#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>

#include "cli/command_line.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

int run(int argc, const char* const* argv) {
  CLI::App app;
  Program program;
  if (const auto code = parse_command_line(argc, argv, app, program)) {
    return *code;
  }
  set_up_log(program.output);
  note_signals();
  const auto files = make_file_system();
  Result<int> outcome = Error{.code = ErrorCode::kIo, .message = "out of memory", .is_retryable = true};
  try {
    outcome = program.run(program.output, *files);
  } catch (const std::bad_alloc&) {
    // The error is set already; making another text could fail again.
  }
  const int code = outcome.ok() ? outcome.value() : report_error(outcome.error(), program.command, program.output.json);
  if (!outcome.ok() && outcome.error().code == ErrorCode::kInterrupted) {
    raise_noted_signal();
  }
  return code;
}

}  // namespace
}  // namespace mtpgraft::cli

int main(int argc, char** argv) {
  mtpgraft::cli::hold_closed_streams();
  try {
    return mtpgraft::cli::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mtpgraft: internal error: %s\n", mtpgraft::printable(error.what()).c_str());
    return mtpgraft::cli::kExitSystem;
  }
}
