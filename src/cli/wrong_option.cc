#include "cli/wrong_option.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string_view>

#include "cli/synonyms.h"
#include "util/look_alikes.h"
#include "util/parse.h"
#include "util/text.h"
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

// What is not passed to the server by a command that starts one.
constexpr auto kNeverTheServers = std::to_array<std::string_view>({"-m", "--model", "-o", "--output"});

// An option of the command under another name, or else one of the server.
std::string hint_of_server(const Words& words, const std::string& word, const CLI::App& command,
                           const IsUnderstood& is_understood) {
  const auto name = option_name(word);
  const auto* const own = find_synonym(
      name, kOptionSynonyms, [&](const Synonym& each) { return has_option(command, std::string(each.meant)); });
  const auto* const servers =
      find_synonym(name, kOptionSynonyms, [](const Synonym& each) { return each.hint == kLlamaServer; });
  // Two letters are near to many names.
  const bool is_long = name.starts_with("--") && servers == nullptr;
  const auto meant = own != nullptr ? std::string(own->meant) : is_long ? meant_option(command, name) : std::string();
  if (!meant.empty()) {
    return did_you_mean(meant, replaced(words, word, {meant + option_value(word)}), is_understood);
  }
  return with_line("options of llama-server stand behind --", replaced(words, word, {"--", word}));
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
Words without_names_of_arguments(const Words& words, const CLI::App& command, const IsUnderstood& is_understood) {
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
  // "extract T --from D": it takes the donor alone.
  if (has_option(command, "--for") && donors.size() == 1 && line.size() > 2 && !is_understood(line)) {
    line.insert(line.begin() + 2, "--for");
  }
  return line;
}

// What is said in another place than by an option of this command: the output of commands that print, and all of a
// release.
std::string hint_of_other_place(const Words& words, const std::string& word, const CLI::App& command,
                                const CLI::App& app, const IsUnderstood& is_understood) {
  const auto name = option_name(word);
  const bool is_output = name == "-o" || name == "--output";
  if (command.get_name() == "release") {
    // What strip has, too, is about the writing, which a release does in its own way.
    const bool is_of_graft =
        has_option(*find_command(app, "graft"), name) && !has_option(*find_command(app, "strip"), name);
    auto field = name.substr(std::min(name.find_first_not_of('-'), name.size()));
    std::ranges::replace(field, '-', '_');
    return is_output ? R"(the plan names the folder: "output_directory": "DIR")"
           : is_of_graft
               ? fmt::format(R"(the plan has it, for one graft or in "defaults": "options": {{"{}": ...}})", field)
               : "";
  }
  const auto at = static_cast<std::size_t>(std::ranges::find(words, word) - words.begin());
  const bool is_inside = !option_value(word).empty();
  if (!is_output || at + (is_inside ? 0 : 1) >= words.size()) {
    return "";
  }
  auto line = words;
  line.erase(line.begin() + static_cast<std::ptrdiff_t>(at),
             line.begin() + static_cast<std::ptrdiff_t>(at + (is_inside ? 1 : 2)));
  const auto file = is_inside ? option_value(word).substr(1) : words[at + 1];
  return is_understood(line) && std::ranges::none_of(line, has_secret)
             ? fmt::format("it prints, which a shell puts into a file: {} > {}", as_line(line), shell_quoted(file))
             : "";
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
  if (word == "--") {
    error.message = "behind '--' every word is a file";
    const auto line = replaced(words, word, {});
    error.hint = is_understood(line) ? with_line("leave it out", line) : "put options before it";
    return error;
  }
  if (command.get_name() == kServerCommand && std::ranges::find(kNeverTheServers, name) == kNeverTheServers.end()) {
    error.hint = hint_of_server(words, word, command, is_understood);
    return error;
  }
  if (!argument_of(command, word).empty()) {
    const auto line = without_names_of_arguments(words, command, is_understood);
    if (is_understood(line)) {
      error.hint = with_line("the files stand without such a word", line);
      return error;
    }
  }
  if (const auto* synonym =
          find_synonym(name, kOptionSynonyms, [](const Synonym& each) { return !each.hint.empty(); })) {
    error.hint = synonym->hint;
    return error;
  }
  if (const auto meant = meant_option(command, name); !meant.empty()) {
    error.hint = did_you_mean(meant, replaced(words, word, {meant + option_value(word)}), is_understood);
    return error;
  }
  if (auto hint = hint_of_other_place(words, word, command, app, is_understood); !hint.empty()) {
    error.hint = std::move(hint);
    return error;
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
  const auto end = static_cast<std::size_t>(std::ranges::find(words, "--") - words.begin());
  for (std::size_t i = 1; command != nullptr && i < end; ++i) {
    // CLI11 would take the letters apart: "-ngl" as "-n", "-g" and "-l".
    const auto name = option_name(words[i]);
    const bool is_known = name.size() > 2 && name[0] == '-' && name[1] != '-' &&
                          find_synonym(name, kOptionSynonyms, [](const Synonym& /*each*/) { return true; }) != nullptr;
    if (is_known && !is_value(words, i, *command) && !is_understood(words)) {
      return explain_option(words[i], words, *command, app, is_understood);
    }
  }
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
