#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <sstream>

#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/version.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

constexpr std::string_view kDescription =
    "Puts a multi-token-prediction (MTP) head back into a quantised GGUF that lost it, so that llama.cpp drafts with "
    "it. The target's own tensors stay byte for byte what they were.";

constexpr std::string_view kExamples = R"(Examples:
  mtpgraft inspect Model-Q4_K_M.gguf
  mtpgraft graft Model-Q4_K_M.gguf mtp-Base-Q8_0.gguf
)";

// CLI11's help without what it appends to each option (type, "REQUIRED", "Needs: ..."), which breaks the columns.
class HelpFormatter : public CLI::Formatter {
 public:
  [[nodiscard]] std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    auto name = CLI::Formatter::make_option_name(option, is_positional);
    // CLI11 writes a flag that takes a value with its default.
    const auto brace = name.find('{');
    return brace == std::string::npos ? name : name.substr(0, brace) + "[=GLOB]";
  }
  [[nodiscard]] std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_option_text().empty() ? "" : " " + option->get_option_text();
  }
};

std::string did_you_mean(const CLI::App& app, std::string_view word) {
  std::vector<std::string_view> names;
  for (const auto* command : app.get_subcommands({})) {
    names.push_back(command->get_name());
  }
  const auto meant = nearest(word, names);
  return meant.empty() ? "mtpgraft --help lists the commands" : fmt::format("did you mean '{}'?", meant);
}

// What CLI11 reports in terms of what is missing is mostly something that it did not understand.
Error explain(const CLI::ParseError& error, const CLI::App& app) {
  const auto commands = app.get_subcommands();
  const auto hint = fmt::format("mtpgraft {}{}--help", commands.empty() ? "" : commands.front()->get_name(),
                                commands.empty() ? "" : " ");
  const auto words = app.remaining(true);
  const auto option = std::ranges::find_if(words, [](const auto& word) { return word.starts_with('-'); });
  if (option != words.end()) {
    return {.code = ErrorCode::kUsage,
            .message = fmt::format("unknown option '{}'{}", *option,
                                   commands.empty() ? ", or one that belongs after the command" : ""),
            .hint = hint};
  }
  if (!words.empty()) {
    return {.code = ErrorCode::kUsage, .message = fmt::format("unexpected argument '{}'", words.front()), .hint = hint};
  }
  const std::string message = error.what();
  if (error.get_name() == "ArgumentMismatch") {
    return {.code = ErrorCode::kUsage,
            .message = fmt::format("{} needs a value", message.substr(0, message.find(':'))),
            .hint = hint};
  }
  return {.code = ErrorCode::kUsage, .message = message, .hint = hint};
}

std::string footer() {
  std::string text(kExamples);
  text += "\nExit codes:\n";
  for (const auto& [codes, meaning] : kExitCodes) {
    text += fmt::format("  {:<15}{}\n", codes, meaning);
  }
  return text;
}

constexpr Names<ProgressWay, 3> kProgressNames{
    {{"auto", ProgressWay::kAuto}, {"json", ProgressWay::kJson}, {"none", ProgressWay::kNone}}};

void add_output_options(CLI::App& app, OutputOptions& output) {
  app.add_flag("--json", output.json, "Print one JSON object on stdout, also on failure (docs/json.md)");
  app.add_flag("-q,--quiet", output.quiet, "Leave out progress and what is printed of success; warnings stay");
  add_choice(app, "--progress",
             "Progress on stderr: auto (default, a line on a terminal), json (one object a line, also of warnings and "
             "errors), or none",
             kProgressNames, output.progress)
      ->option_text("WAY");
}

void add_commands(CLI::App& app, Program& program) {
  for (const auto add : {add_inspect, add_graft, add_extract, add_strip, add_verify, add_checksum, add_release,
                         add_cache, add_recover}) {
    add(app, program);
  }
  for (auto* command : app.get_subcommands({})) {
    add_output_options(*command, program.output);
  }
  // The script is for a shell, which wants neither JSON nor quiet.
  add_completion(app, program);
}

bool takes_json(const CLI::App& command) { return command.get_option_no_throw("--json") != nullptr; }

}  // namespace

std::optional<int> parse_command_line(int argc, const char* const* argv, CLI::App& app, Program& program) {
  app.name("mtpgraft");
  app.description(std::string(kDescription));
  app.set_version_flag("--version", [] { return report::describe_version(build_facts()); });
  app.footer(footer());
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.get_formatter()->column_width(30);
  add_commands(app, program);
  if (argc < 2) {
    fmt::print(stderr, "{}\n\n{}\nmtpgraft --help tells more.\n", kDescription, kExamples);
    return kExitUsage;
  }
  // CLI11 would pass over a word that is no command, and look for one behind it.
  const std::string first = argv[1];
  const bool json = std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
  const auto is_command = [&](const CLI::App* command) { return command->get_name() == first; };
  if (first != "help" && !first.starts_with('-') && std::ranges::none_of(app.get_subcommands({}), is_command)) {
    return report_error({.code = ErrorCode::kUsage,
                         .message = fmt::format("unknown command '{}'", first),
                         .hint = did_you_mean(app, first)},
                        "", json);
  }
  // From the last to the first, as CLI11 wants them.
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (first == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  std::ranges::reverse(arguments);
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForVersion& version) {
    const auto status =
        print_text((json ? report::version_to_json(build_facts()) : version.what()) + std::string("\n"));
    return status.ok() ? 0 : report_error(status.error(), "", false);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      std::ostringstream help;
      app.exit(error, help, help);
      const auto status = print_text(help.str());
      return status.ok() ? 0 : report_error(status.error(), "", false);
    }
    const auto commands = app.get_subcommands();
    const auto* command = commands.empty() ? nullptr : commands.front();
    return report_error(explain(error, app), command == nullptr ? "" : command->get_name(),
                        json && (command == nullptr || takes_json(*command)));
  }
  program.command = app.get_subcommands().front()->get_name();
  return std::nullopt;
}

}  // namespace mtpgraft::cli
