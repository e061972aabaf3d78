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
#include "cli/wrong_option.h"
#include "cli/wrong_words.h"

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
  for (const auto add : {add_inspect, add_graft, add_extract, add_strip, add_verify, add_bench, add_checksum,
                         add_release, add_cache, add_recover}) {
    add(app, program);
  }
  for (auto* command : app.get_subcommands({})) {
    add_output_options(*command, program.output);
  }
  // The script is for a shell, which wants neither JSON nor quiet.
  add_completion(app, program);
}

bool takes_json(const CLI::App& command) { return command.get_option_no_throw("--json") != nullptr; }

void build(CLI::App& app, Program& program) {
  app.name("mtpgraft");
  app.description(std::string(kDescription));
  app.set_version_flag("--version", [] { return report::describe_version(build_facts()); });
  app.footer(footer());
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.get_formatter()->column_width(30);
  add_commands(app, program);
}

// CLI11 would take them for the command's own.
Words take_behind_dashes(Words& words) {
  const auto dashes = std::ranges::find(words, "--");
  if (dashes == words.end()) {
    return {};
  }
  Words behind(dashes + 1, words.end());
  words.erase(dashes, words.end());
  return behind;
}

// CLI11 wants the words from the last to the first.
void parse(CLI::App& app, Words words) {
  std::ranges::reverse(words);
  app.parse(std::move(words));
}

bool is_understood(const Words& words) {
  CLI::App app;
  Program program;
  build(app, program);
  try {
    parse(app, words);
    return true;
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);
  }
}

int print_or_report(const std::string& text) {
  const auto status = print_text(text);
  return status.ok() ? 0 : report_error(status.error(), "", false);
}

}  // namespace

std::optional<int> parse_command_line(int argc, const char* const* argv, CLI::App& app, Program& program) {
  build(app, program);
  if (argc < 2) {
    fmt::print(stderr, "{}\n\n{}\nmtpgraft --help tells more.\n", kDescription, kExamples);
    return kExitUsage;
  }
  auto words = put_in_order({argv + 1, argv + argc}, app);
  if (words.front() == kServerCommand) {
    program.server_arguments = take_behind_dashes(words);
  }
  const auto& first = words.front();
  const bool json = std::ranges::find(words, "--json") != words.end();
  // CLI11 would pass over a word that is no command, and look for one behind it.
  const auto is_command = [&](const CLI::App* command) { return command->get_name() == first; };
  if (std::ranges::none_of(app.get_subcommands({}), is_command) &&
      (!first.starts_with('-') || app.get_option_no_throw(first) == nullptr)) {
    return report_error(explain_no_command(words, app, is_understood), "", json);
  }
  if (const auto error = find_single_dash(words, app, is_understood)) {
    return report_error(*error, first, json);
  }
  try {
    parse(app, words);
  } catch (const CLI::CallForVersion& version) {
    return print_or_report((json ? report::version_to_json(build_facts()) : version.what()) + std::string("\n"));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      std::ostringstream help;
      app.exit(error, help, help);
      return print_or_report(help.str());
    }
    const auto commands = app.get_subcommands();
    const auto* command = commands.empty() ? nullptr : commands.front();
    return report_error(explain_refusal(error, words, app, is_understood), command == nullptr ? "" : first,
                        json && (command == nullptr || takes_json(*command)));
  }
  program.command = app.get_subcommands().front()->get_name();
  return std::nullopt;
}

}  // namespace mtpgraft::cli
