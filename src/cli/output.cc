#include "cli/output.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "cli/exit_code.h"
#include "cli/progress.h"
#include "cli/terminal.h"
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

// Whether all of it has reached the system; else errno tells why not.
bool write_out(std::string_view text) {
  erase_progress();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

}  // namespace

void set_up_log(const OutputOptions& options) {
  logger().set_level(options.quiet ? spdlog::level::warn : spdlog::level::info);
}

void log_warning(std::string_view message) {
  erase_progress();
  logger().warn("mtpgraft: warning: {}", printable_message(message));
}

void log_warnings(const std::vector<Warning>& warnings) {
  for (const auto& warning : warnings) {
    log_warning(warning.message);
  }
}

void log_note(std::string_view message) {
  erase_progress();
  logger().info("{}", printable(message));
}

void log_problem(std::string_view message) {
  erase_progress();
  logger().error("mtpgraft: {}", printable_message(message));
}

void log_error(const Error& error, report::Front front) {
  erase_progress();
  logger().error("{}", report::describe_error(error, front));
}

int report_error(const Error& error, std::string_view command, bool json) {
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
