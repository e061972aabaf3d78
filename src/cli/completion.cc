#include "cli/completion.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

namespace mtpgraft::cli {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const auto& name : option.get_snames()) {
    names.push_back("-" + name);
  }
  for (const auto& name : option.get_lnames()) {
    names.push_back("--" + name);
  }
  return names;
}

// Lists have little room for what follows a semicolon.
std::string shortened(const std::string& description) { return description.substr(0, description.find(';')); }

report::CompletedOption make_entry(const CLI::Option& option, const CLI::App& app) {
  report::CompletedOption entry;
  entry.names = names_of(option);
  entry.description = shortened(option.get_description());
  entry.value_name = option.get_positional() ? option.get_name(true) : option.get_option_text();
  entry.value_is_optional = !option.get_fnames().empty();
  entry.takes_value = option.get_items_expected_max() > 0 && !entry.value_is_optional;
  entry.repeats = option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll ||
                  (option.get_positional() && option.get_items_expected_max() > 1);
  entry.stands_alone = &option == app.get_help_ptr() || &option == app.get_version_ptr();
  const auto type = option.get_type_name();
  if (const auto brace = type.find('{'); brace != std::string::npos) {
    entry.words = split(type.substr(brace + 1, type.find('}') - brace - 1), ',');
  } else if (type.find('*') != std::string::npos) {
    entry.files = split(type, ' ');
  }
  // In the order in which they were entered, which that of the set is not.
  const auto excluded = option.get_excludes();
  for (const auto* other : app.get_options()) {
    if (std::ranges::find(excluded, other) != excluded.end()) {
      std::ranges::copy(names_of(*other), std::back_inserter(entry.excluded));
    }
  }
  return entry;
}

report::CompletedCommand completed_command(const CLI::App& app) {
  report::CompletedCommand command{app.get_name(), shortened(app.get_description()), {}, {}};
  for (const auto* option : app.get_options()) {
    (option->get_positional() ? command.arguments : command.options).push_back(make_entry(*option, app));
  }
  return command;
}

std::vector<report::CompletedCommand> describe_commands(const CLI::App& app) {
  std::vector<report::CompletedCommand> commands;
  for (const auto* command : app.get_subcommands({})) {
    commands.push_back(completed_command(*command));
  }
  return commands;
}

}  // namespace

std::string completion_script(const CLI::App& app, report::Shell shell) {
  return report::completion_script(completed_command(app), describe_commands(app), shell);
}

}  // namespace mtpgraft::cli
