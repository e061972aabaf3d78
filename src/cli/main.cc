#include <CLI/CLI.hpp>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "cli/command_line.h"
#include "cli/events.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace mtpgraft::cli {
namespace {

// Also what is said of a command line that cannot be read are events then.
bool asks_for_events(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--progress=json" ||
        (word == "--progress" && i + 1 < argc && argv[i + 1] == std::string_view("json"))) {
      return true;
    }
  }
  return false;
}

int run(int argc, const char* const* argv) {
  if (asks_for_events(argc, argv)) {
    begin_events("");
  }
  CLI::App app;
  Program program;
  if (const auto code = parse_command_line(argc, argv, app, program)) {
    return *code;
  }
  set_up_log(program.output, program.command);
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
    return mtpgraft::cli::report_error(
        {.code = mtpgraft::ErrorCode::kIo, .message = std::string("internal error: ") + error.what()}, "", false);
  }
}
