#include "report/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace mtpgraft::report {
namespace {

std::string in_quotes(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    result += c == '\'' ? std::string_view("'\\''") : std::string_view(&c, 1);
  }
  return result + '\'';
}

std::string with_backslashes(std::string_view text, std::string_view before) {
  std::string result;
  for (const char c : text) {
    if (before.find(c) != std::string_view::npos) {
      result += '\\';
    }
    result += c;
  }
  return result;
}

// Texts, each with what it holds for; what holds for several is there once.
using Groups = std::vector<std::pair<std::string, std::vector<std::string>>>;

void add_missing(std::vector<std::string>& to, const std::vector<std::string>& from) {
  for (const auto& text : from) {
    if (std::ranges::find(to, text) == to.end()) {
      to.push_back(text);
    }
  }
}

void add_to(Groups& groups, const std::string& text, const std::vector<std::string>& holds_for) {
  auto group = std::ranges::find(groups, text, &Groups::value_type::first);
  if (group == groups.end()) {
    group = groups.insert(group, {text, {}});
  }
  add_missing(group->second, holds_for);
}

// bash

constexpr std::string_view kBashStart = R"(# Completion of mtpgraft for bash, as `mtpgraft completion bash` prints it.

_mtpgraft() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  # bash takes --copy=clone for three words.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi

  local options="" words="" files=() pattern
)";

constexpr std::string_view kBashEnd = R"(
  if [[ $current == -* ]]; then
    words=$options files=()
  fi
  mapfile -t COMPREPLY < <(
    compgen -W "$words" -- "$current"
    for pattern in "${files[@]}"; do
      compgen -f -X "!$pattern" -- "$current"
    done
    [[ ${#files[@]} == 0 || ${files[0]} == '*' ]] || compgen -d -- "$current"
  )
  [[ ${#files[@]} == 0 ]] || compopt -o filenames 2>/dev/null
}

complete -F _mtpgraft mtpgraft
)";

std::string bash_options(const CompletedCommand& command) {
  constexpr std::size_t kWidth = 110;
  std::string text = "options=\"";
  auto line_start = std::size_t{0};
  for (const auto& option : command.options) {
    for (const auto& name : option.names) {
      if (text.size() - line_start + name.size() > kWidth) {
        text += "\n         ";
        line_start = text.size();
      }
      text += (text.back() == '"' ? "" : " ") + name;
    }
  }
  return text + '"';
}

std::string bash_value(const CompletedOption& entry) {
  std::vector<std::string> patterns;
  for (const auto& pattern : entry.files) {
    patterns.push_back(in_quotes(pattern));
  }
  return fmt::format("words=\"{}\" files=({})", fmt::join(entry.words, " "), fmt::join(patterns, " "));
}

std::string bash_case(const CompletedCommand& command) {
  auto text = fmt::format("      {})\n        {}\n", command.name, bash_options(command));
  if (!command.arguments.empty()) {
    // Which of them is completed is not counted.
    CompletedOption any;
    for (const auto& argument : command.arguments) {
      add_missing(any.words, argument.words);
      add_missing(any.files, argument.files);
    }
    text += fmt::format("        {}\n", bash_value(any));
  }
  Groups values;
  for (const auto& option : command.options) {
    if (option.takes_value) {
      add_to(values, bash_value(option), option.names);
    }
  }
  if (!values.empty()) {
    text += "        case $previous in\n";
    for (const auto& [value, names] : values) {
      text += fmt::format("          {}) {} ;;\n", fmt::join(names, " | "), value);
    }
    text += "        esac\n";
  }
  return text + "        ;;\n";
}

std::string bash_script(const CompletedCommand& program, const std::vector<CompletedCommand>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const auto& command : commands) {
    names.push_back(command.name);
  }
  auto text = fmt::format("{}  if ((COMP_CWORD == 1)); then\n    {}\n    words=\"{}\"\n  else\n", kBashStart,
                          bash_options(program), fmt::join(names, " "));
  text += "    case ${COMP_WORDS[1]} in\n";
  for (const auto& command : commands) {
    text += bash_case(command);
  }
  return text + "    esac\n  fi\n" + std::string(kBashEnd);
}

// zsh

std::string zsh_text(std::string_view text) { return with_backslashes(text, "\\:[]"); }

std::string zsh_action(const CompletedOption& entry) {
  if (!entry.words.empty()) {
    return fmt::format("({})", fmt::join(entry.words, " "));
  }
  if (entry.files.empty()) {
    return " ";
  }
  return entry.files.front() == "*" ? "_files" : fmt::format("_files -g \"{}\"", fmt::join(entry.files, " "));
}

std::string zsh_option(const CompletedOption& option) {
  auto excluded = option.excluded;
  if (option.stands_alone) {
    excluded = {"-", "*"};
  } else if (option.names.size() > 1) {
    std::ranges::copy(option.names, std::back_inserter(excluded));
  }
  std::vector<std::string> names;
  for (const auto& name : option.names) {
    // Where a value may stand: behind the name or in the next word, or only behind a '='.
    const auto* const place = option.value_is_optional ? "=-" : !option.takes_value ? "" : name.size() > 2 ? "=" : "+";
    names.push_back(name + place);
  }
  auto rest = fmt::format("[{}]", zsh_text(option.description));
  if (option.takes_value) {
    rest += fmt::format(":{}:{}", zsh_text(option.value_name), zsh_action(option));
  } else if (option.value_is_optional) {
    rest += "::GLOB: ";
  }
  std::string start = option.repeats ? "*" : "";
  if (!excluded.empty()) {
    start += fmt::format("({})", fmt::join(excluded, " "));
  }
  if (names.size() == 1) {
    return in_quotes(start + names.front() + rest);
  }
  return fmt::format("{}{{{}}}{}", start.empty() ? "" : in_quotes(start), fmt::join(names, ","), in_quotes(rest));
}

std::string zsh_arguments(const CompletedCommand& command) {
  std::string text;
  for (const auto& option : command.options) {
    text += " \\\n        " + zsh_option(option);
  }
  for (std::size_t i = 0; i < command.arguments.size(); ++i) {
    const auto& argument = command.arguments[i];
    const auto place = argument.repeats ? "*" : fmt::format("{}", i + 1);
    text += " \\\n        " +
            in_quotes(fmt::format("{}:{}:{}", place, zsh_text(argument.value_name), zsh_action(argument)));
  }
  return text;
}

std::string zsh_script(const CompletedCommand& program, const std::vector<CompletedCommand>& commands) {
  std::string text = R"(#compdef mtpgraft
# Completion of mtpgraft for zsh, as `mtpgraft completion zsh` prints it.

_mtpgraft_commands() {
  local -a subcommands=(
)";
  for (const auto& command : commands) {
    text += fmt::format("    {}\n", in_quotes(fmt::format("{}:{}", command.name, zsh_text(command.description))));
  }
  text += R"(  )
  _describe command subcommands
}

_mtpgraft() {
  local curcontext=$curcontext state line
  _arguments -C)";
  for (const auto& option : program.options) {
    text += " \\\n    " + zsh_option(option);
  }
  text += R"( \
    '1: :_mtpgraft_commands' \
    '*:: :->arguments' && return
  [[ $state == arguments ]] || return 1
  case $words[1] in
)";
  for (const auto& command : commands) {
    text += fmt::format("    {})\n      _arguments{}\n      ;;\n", command.name, zsh_arguments(command));
  }
  return text + "  esac\n}\n\n_mtpgraft \"$@\"\n";
}

// fish

std::string fish_quotes(std::string_view text) { return in_quotes(with_backslashes(text, "\\")); }

constexpr std::string_view kFishFiles = " -F";

std::string fish_value(const CompletedOption& entry) {
  if (!entry.words.empty()) {
    return fmt::format(" -a '{}'", fmt::join(entry.words, " "));
  }
  if (entry.files.empty()) {
    return "";
  }
  if (entry.files.front() == "*") {
    return std::string(kFishFiles);
  }
  // This lists other files too, but behind those of the one kind that can be named.
  return fmt::format(" -k -a '(__fish_complete_suffix {})'", entry.files.front().substr(entry.files.front().find('.')));
}

std::string fish_option(const CompletedOption& option) {
  std::string text;
  for (const auto& name : option.names) {
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (option.takes_value) {
    const auto value = fish_value(option);
    text += (value == kFishFiles ? " -r" : " -x") + value;
  }
  return text + " -d " + fish_quotes(option.description);
}

std::string fish_script(const CompletedCommand& program, const std::vector<CompletedCommand>& commands) {
  std::string text = R"(# Completion of mtpgraft for fish, as `mtpgraft completion fish` prints it.

complete -c mtpgraft -f
)";
  for (const auto& option : program.options) {
    text += fmt::format("complete -c mtpgraft -n __fish_use_subcommand{}\n", fish_option(option));
  }
  Groups lines;
  for (const auto& command : commands) {
    text += fmt::format("complete -c mtpgraft -n __fish_use_subcommand -a {} -d {}\n", command.name,
                        fish_quotes(command.description));
    for (const auto& argument : command.arguments) {
      add_to(lines, fish_value(argument), {command.name});
    }
    for (const auto& option : command.options) {
      add_to(lines, fish_option(option), {command.name});
    }
  }
  text += '\n';
  for (const auto& [line, names] : lines) {
    text += fmt::format("complete -c mtpgraft -n '__fish_seen_subcommand_from {}'{}\n", fmt::join(names, " "), line);
  }
  return text;
}

}  // namespace

std::string completion_script(const CompletedCommand& program, const std::vector<CompletedCommand>& commands,
                              Shell shell) {
  switch (shell) {
    case Shell::kBash:
      return bash_script(program, commands);
    case Shell::kFish:
      return fish_script(program, commands);
    case Shell::kZsh:
      return zsh_script(program, commands);
  }
  return {};
}

}  // namespace mtpgraft::report
