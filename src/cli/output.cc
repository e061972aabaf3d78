#include "cli/output.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "cli/exit_code.h"
#include "cli/progress.h"
#include "report/json.h"
#include "report/text.h"
#include "util/text.h"

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

}  // namespace

void set_up_log(const OutputOptions& options) {
  logger().set_level(options.quiet ? spdlog::level::err : spdlog::level::warn);
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
  logger().warn("{}", printable(message));
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
  if (json) {
    erase_progress();
    fmt::print("{}\n", report::error_to_json(error, command));
  } else {
    log_error(error, report::Front::kCommandLine);
  }
  return exit_code(error.code);
}

Status print_text(std::string_view text) {
  erase_progress();
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("cannot write to stdout: {}", std::generic_category().message(errno))};
  }
  return ok_status();
}

Status print_answer(const OutputOptions& output, const std::function<std::string()>& json,
                    const std::function<std::string()>& text, Quiet quiet) {
  if (output.json) {
    return print_text(json() + '\n');
  }
  return output.quiet && quiet == Quiet::kOmits ? ok_status() : print_text(text());
}

}  // namespace mtpgraft::cli
