#include "cli/output.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "cli/events.h"
#include "cli/exit_code.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "report/events.h"
#include "report/json.h"
#include "report/text.h"
#include "util/text.h"
#include "util/transient.h"

namespace mtpgraft::cli {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("mtpgraft", std::make_shared<spdlog::sinks::stderr_sink_st>());
    made->set_pattern("%v");
    return made;
  }();
  return *instance;
}

void say(spdlog::level::level_enum level, const std::function<std::string()>& text,
         const std::function<std::string(std::string_view command)>& event) {
  if (!logger().should_log(level)) {
    return;
  }
  if (writes_events()) {
    write_event(event);
    return;
  }
  erase_progress();
  logger().log(level, "{}", text());
}

// Whether all of it has reached the system; else errno tells why not.
bool write_out(std::string_view text) {
  erase_progress();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

}  // namespace

void set_up_log(const OutputOptions& options, std::string_view command) {
  logger().set_level(options.quiet ? spdlog::level::warn : spdlog::level::info);
  if (options.progress == ProgressWay::kJson) {
    begin_events(command);
  }
}

void log_warning(const Warning& warning) {
  say(
      spdlog::level::warn, [&] { return "mtpgraft: warning: " + printable_message(warning.message); },
      [&](std::string_view command) { return report::warning_event(command, warning); });
}

void log_warnings(const std::vector<Warning>& warnings) {
  for (const auto& warning : warnings) {
    log_warning(warning);
  }
}

void log_note(std::string_view message) {
  say(
      spdlog::level::info, [&] { return printable(message); },
      [&](std::string_view command) { return report::note_event(command, message); });
}

void log_problem(std::string_view message) {
  say(
      spdlog::level::err, [&] { return "mtpgraft: " + printable_message(message); },
      [&](std::string_view command) { return report::problem_event(command, message); });
}

void log_error(const Error& error, report::Front front) {
  say(
      spdlog::level::err, [&] { return report::describe_error(error, front); },
      [&](std::string_view command) { return report::error_event(command, error, front); });
}

int report_error(const Error& error, std::string_view command, bool json) {
  if (writes_events() && !command.empty()) {
    begin_events(command);  // of a command line that is wrong
  }
  if (!json || !write_out(report::error_to_json(error, command) + '\n')) {
    log_error(error, report::Front::kCommandLine);
  }
  return exit_code(error.code);
}

Status print_text(std::string_view text, std::string_view done) {
  if (write_out(text)) {
    return ok_status();
  }
  const auto number = errno;
  if (number == EPIPE && done.empty()) {
    raise_broken_pipe();
  }
  return Error{.code = ErrorCode::kIo,
               .message = fmt::format("cannot write to stdout: {}{}{}", std::generic_category().message(number),
                                      done.empty() ? "" : "; ", done),
               .is_retryable = is_transient(number)};
}

Status print_answer(const OutputOptions& output, const std::function<std::string()>& json,
                    const std::function<std::string()>& text, Quiet quiet, std::string_view done) {
  if (output.json) {
    return print_text(json() + '\n', done);
  }
  return output.quiet && quiet == Quiet::kOmits ? ok_status() : print_text(text(), done);
}

}  // namespace mtpgraft::cli
