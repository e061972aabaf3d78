#include "cli/words.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "util/path.h"
#include "util/text.h"
#include "util/url.h"

namespace mtpgraft::cli {
namespace {

// As a shell takes it. An option stays one: only its value is quoted.
std::string quoted(const std::string& word) {
  if (!is_option(word)) {
    return shell_quoted(word);
  }
  const auto value = option_value(word);
  return printable(option_name(word)) + (value.size() > 1 ? "=" + shell_quoted(value.substr(1)) : value);
}

}  // namespace

bool is_option(std::string_view word) { return word.size() > 1 && word.front() == '-'; }

// "--yarn" of "--yarn=4".
std::string option_name(const std::string& word) { return word.substr(0, word.find('=')); }

std::string option_value(const std::string& word) {
  const auto equals = word.find('=');
  return equals == std::string::npos ? "" : word.substr(equals);
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(as_path(path), ignored);
}

const CLI::App* find_command(const CLI::App& app, std::string_view name) {
  const auto commands = app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; });
  return commands.empty() ? nullptr : commands.front();
}

std::vector<const CLI::App*> all_commands(const CLI::App& app) {
  const auto commands = app.get_subcommands({});
  return {commands.begin(), commands.end()};
}

bool has_option(const CLI::App& command, const std::string& name) {
  return is_option(name) && command.get_option_no_throw(name) != nullptr;
}

std::string nearest_of(const std::string& word, const std::vector<std::string>& names) {
  return std::string(nearest(word, std::vector<std::string_view>(names.begin(), names.end())));
}

std::string as_line(const Words& words) {
  std::string line = "mtpgraft";
  for (const auto& word : words) {
    line += " " + quoted(word);
  }
  return line;
}

std::string with_line(std::string text, const Words& line) {
  return std::ranges::any_of(line, has_secret) ? text : fmt::format("{}: {}", text, as_line(line));
}

bool is_value(const Words& words, std::size_t index, const CLI::App& command) {
  if (is_option(words[index])) {
    return has_option(command, option_name(words[index])) && !option_value(words[index]).empty();
  }
  const auto* option = index == 0 ? nullptr : command.get_option_no_throw(words[index - 1]);
  return option != nullptr && is_option(words[index - 1]) && option->get_items_expected_min() > 0;
}

std::string help_line(const CLI::App* command) {
  return command == nullptr ? "mtpgraft --help lists the commands"
                            : fmt::format("mtpgraft {} --help", command->get_name());
}

// "did you mean 'inspect'? mtpgraft inspect FILE", as far as the line would be understood.
std::string did_you_mean(std::string_view what, Words line, const IsUnderstood& is_understood) {
  if (!is_understood(line)) {
    line.insert(line.end(), {"-o", "NEW.gguf"});
  }
  const bool is_shown = is_understood(line) && std::ranges::none_of(line, has_secret);
  return fmt::format("did you mean '{}'?{}", without_secret(what), is_shown ? " " + as_line(line) : "");
}

Error usage(std::string message, std::string hint) {
  return {.code = ErrorCode::kUsage, .message = std::move(message), .hint = std::move(hint)};
}

Words replaced(Words words, const std::string& word, const Words& by) {
  const auto found = std::ranges::find(words, word);
  if (found != words.end()) {
    words.insert(words.erase(found), by.begin(), by.end());
  }
  return words;
}

}  // namespace mtpgraft::cli
