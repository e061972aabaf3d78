#include "cli/wrong_option.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/synonyms.h"
#include "util/look_alikes.h"
#include "util/parse.h"
#include "util/url.h"

namespace mtpgraft::cli {
namespace {

std::vector<std::string> long_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const auto* option : command.get_options()) {
    for (const auto& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

// The argument that an option was given for.
std::string_view argument_of(const CLI::App& command, const std::string& word) {
  const auto name = option_name(word);
  if (has_option(command, name)) {
    return "";
  }
  const auto* synonym = find_synonym(name, kOptionSynonyms, [&](const Synonym& each) {
    return each.meant == kModelArgument || each.meant == kDonorArgument;
  });
  return synonym == nullptr ? "" : synonym->meant;
}

// "graft --donor D --target T" as "graft T D".
Words without_names_of_arguments(const Words& words, const CLI::App& command) {
  Words models;
  Words donors;
  Words others;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto argument = argument_of(command, words[i]);
    auto& list = argument == kModelArgument ? models : argument == kDonorArgument ? donors : others;
    if (argument.empty()) {
      list.push_back(words[i]);
    } else if (const auto value = option_value(words[i]); !value.empty()) {
      list.push_back(value.substr(1));
    } else if (i + 1 < words.size()) {
      list.push_back(words[++i]);
    }
  }
  Words line{words.front()};
  for (const auto* list : {&models, &donors, &others}) {
    line.insert(line.end(), list->begin(), list->end());
  }
  return line;
}

}  // namespace

// The option of the command that a name was meant for; empty if there is none.
std::string meant_option(const CLI::App& command, const std::string& name) {
  auto plain = lowered(retype(name).text);
  std::ranges::replace(plain, '_', '-');
  const bool is_long = plain.size() > 2;
  const auto doubled = is_long && !plain.starts_with("--") ? "-" + plain : plain;
  for (const auto& spelling : {plain, doubled}) {
    if (has_option(command, spelling)) {
      return spelling;
    }
    const auto* synonym = find_synonym(
        spelling, kOptionSynonyms, [&](const Synonym& each) { return has_option(command, std::string(each.meant)); });
    if (synonym != nullptr) {
      return std::string(synonym->meant);
    }
  }
  if (!is_long) {
    return "";
  }
  const auto names = long_names(command);
  const auto begins = [&](const std::string& each) { return each.starts_with(doubled); };
  constexpr std::size_t kAbbreviationMin = 5;
  if (doubled.size() >= kAbbreviationMin && std::ranges::count_if(names, begins) == 1) {
    return *std::ranges::find_if(names, begins);
  }
  return nearest_of(doubled, names);
}

// "graft and verify": the commands that have the option.
std::string owners_of(const std::string& option, const CLI::App& app) {
  std::vector<std::string> owners;
  for (const auto* command : all_commands(app)) {
    if (has_option(*command, option)) {
      owners.push_back(command->get_name());
    }
  }
  return fmt::format("{}", fmt::join(owners, ", "));
}

Error explain_option(const std::string& word, const Words& words, const CLI::App& command, const CLI::App& app,
                     const IsUnderstood& is_understood) {
  auto error = usage(fmt::format("unknown option '{}'", without_secret(word)), help_line(&command));
  const auto name = option_name(word);
  if (const auto* synonym =
          find_synonym(name, kOptionSynonyms, [](const Synonym& each) { return !each.hint.empty(); })) {
    error.hint = synonym->hint;
    return error;
  }
  if (const auto meant = meant_option(command, name); !meant.empty()) {
    error.hint = did_you_mean(meant, replaced(words, word, {meant + option_value(word)}), is_understood);
    return error;
  }
  if (!argument_of(command, word).empty()) {
    const auto line = without_names_of_arguments(words, command);
    if (is_understood(line)) {
      error.hint = with_line("the files stand without such a word", line);
      return error;
    }
  }
  if (has_option(app, name)) {
    error.hint = as_line({name});
  } else if (const auto owners = owners_of(name, app); !owners.empty()) {
    error.message += fmt::format(": {} does not have it, but {}", command.get_name(), owners);
  }
  return error;
}

std::optional<Error> find_single_dash(const Words& words, const CLI::App& app, const IsUnderstood& is_understood) {
  const auto* command = find_command(app, words.front());
  for (std::size_t i = 1; command != nullptr && i < words.size(); ++i) {
    const auto& word = words[i];
    const bool is_single = word.size() > 3 && word[0] == '-' && word[1] != '-' && word != "-help";
    if (is_single && has_option(*command, "-" + option_name(word))) {
      return usage(fmt::format("unknown option '{}'", without_secret(word)),
                   did_you_mean("-" + option_name(word), replaced(words, word, {"-" + word}), is_understood));
    }
  }
  return std::nullopt;
}

}  // namespace mtpgraft::cli
