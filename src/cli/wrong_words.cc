#include "cli/wrong_words.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <functional>
#include <optional>

#include "cli/synonyms.h"
#include "cli/wrong_option.h"
#include "mtpgraft/file.h"
#include "util/look_alikes.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/text.h"
#include "util/url.h"

namespace mtpgraft::cli {
namespace {

constexpr auto kEveryCommands = std::to_array<std::string_view>({"--json", "-q", "--quiet", "-h", "--help"});
constexpr auto kVersionWords = std::to_array<std::string_view>({"version", "-v", "-V", "--ver", "-version"});

template <class Words>
bool has_word(const Words& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// An option that every command has, as one word.
bool is_every_commands(const std::string& word) {
  return has_word(kEveryCommands, word) || word.starts_with("--progress=");
}

// Whether a word can only be meant for a file.
bool is_file(const std::string& word) {
  constexpr auto kEndings = std::to_array<std::string_view>({".gguf", ".safetensors", ".json"});
  return is_remote(word) || exists(word) ||
         std::ranges::any_of(kEndings, [&](auto ending) { return lowered(word).ends_with(ending); });
}

// "TARGET and DONOR": what the command takes without an option.
std::string names_of_arguments(const CLI::App& command) {
  Words names;
  for (const auto* option : command.get_options()) {
    if (option->get_positional()) {
      names.push_back(option->get_single_name());
    }
  }
  return names.empty() ? "no files" : fmt::format("{}", fmt::join(names, " and "));
}

Words without(Words words, std::size_t index) {
  words.erase(words.begin() + static_cast<std::ptrdiff_t>(index));
  return words;
}

Words with_first(std::string_view first, const Words& words) {
  auto line = words;
  line.front() = first;
  return line;
}

// Two words that are one name; words between files, as in "graft TARGET + DONOR"; a file that is given twice. `at` is
// the argument that is too many.
std::string hint_without_word(const Words& words, std::size_t at, const CLI::App& command,
                              const IsUnderstood& is_understood) {
  for (std::size_t i = 1; i + 1 < words.size(); ++i) {
    if (const auto joined = words[i] + " " + words[i + 1]; exists(joined)) {
      auto line = without(words, i);
      line[i] = joined;
      return with_line("a name with spaces needs quotes", line);
    }
  }
  if (words.size() > 2 && words[1] == words[0] && !exists(words[1]) && is_understood(without(words, 1))) {
    return with_line("the command stands there twice", without(words, 1));
  }
  constexpr auto kBetween =
      std::to_array<std::string_view>({"+", "and", "with", "into", "to", "onto", "from", "in", "on", "of", "for"});
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (has_word(kBetween, lowered(words[i])) && !exists(words[i]) && !is_value(words, i, command)) {
      const auto line = without(words, i);
      return is_understood(line) ? with_line(fmt::format("'{}' is taken for a file; leave it out", words[i]), line)
                                 : "";
    }
  }
  const auto first = static_cast<std::size_t>(std::ranges::find(words, words[at]) - words.begin());
  const auto line = without(words, at);
  return first < at && !is_value(words, first, command) && is_understood(line)
             ? with_line("it is given twice, and once is enough", line)
             : "";
}

// Arguments more than the command takes.
Error explain_arguments(const Words& rest, const Words& words, const CLI::App& command,
                        const IsUnderstood& is_understood) {
  const auto& word = rest.front();
  auto error = usage(fmt::format("unexpected argument '{}'", without_secret(word)), "");
  // Those that were not understood are the last ones.
  auto at = words.size() - 1;
  for (auto left = std::ranges::count(rest, word); words[at] != word || --left > 0;) {
    --at;
  }
  error.hint = hint_without_word(words, at, command, is_understood);
  if (!error.hint.empty()) {
    return error;
  }
  const auto with_option = [&](const std::string& option) {
    auto line = words;
    line.insert(line.begin() + static_cast<std::ptrdiff_t>(at), option);
    return line;
  };
  if (!exists(word) && has_option(command, "--" + word)) {
    auto line = words;
    line[at] = "--" + word;
    error.hint = did_you_mean("--" + word, line, is_understood);
    return error;
  }
  if (const auto graft = with_first("graft", words); command.get_name() == "release" && is_understood(graft)) {
    error.hint = did_you_mean("graft", graft, is_understood);
    return error;
  }
  const bool is_model = is_remote(word) || lowered(word).ends_with(".gguf");
  if (has_option(command, "--target") && (is_model || rest.size() == 2)) {
    error.hint = "what it was made of is given as --target FILE --donor FILE";
  } else if (const auto list = with_option("-c"); !is_model && is_understood(list)) {
    error.hint = did_you_mean("-c " + word, list, is_understood);
  } else if (const auto output = with_option("-o"); !exists(word) && !is_remote(word) && is_understood(output)) {
    error.hint = did_you_mean("-o " + word, output, is_understood);  // never a file that would be replaced
  } else {
    error.hint = fmt::format("{} takes {}, and '{}' is too many: {}", command.get_name(), names_of_arguments(command),
                             without_secret(word), help_line(&command));
  }
  return error;
}

// What CLI11 says of a value.
Error explain_value(const CLI::ParseError& error, const CLI::App* command) {
  const std::string message = error.what();
  const auto name = message.substr(0, message.find(':'));
  auto explained = usage(message, help_line(command));
  if (error.get_name() == "ArgumentMismatch") {
    explained.message = message.find("At Most") != std::string::npos ? fmt::format("{} is given more than once", name)
                                                                     : fmt::format("{} needs a value", name);
  }
  constexpr std::string_view kConversion = "Could not convert: ";
  if (const auto equals = message.find(" = "); message.starts_with(kConversion) && equals != std::string::npos) {
    const auto option = message.substr(kConversion.size(), equals - kConversion.size());
    const auto value = message.substr(equals + 3);
    const auto* known = command == nullptr ? nullptr : command->get_option_no_throw(option);
    explained.message = known != nullptr && known->get_items_expected_max() == 0
                            ? fmt::format("{} takes no value, and '{}' is one", option, without_secret(value))
                            : fmt::format("{}: '{}' is not a number", option, without_secret(value));
  }
  constexpr std::string_view kNotIn = " not in {";
  if (const auto at = message.find(kNotIn); at != std::string::npos && name.size() + 2 < at) {
    std::vector<std::string> choices(1);
    for (const char c : message.substr(at + kNotIn.size(), message.rfind('}') - at - kNotIn.size())) {
      c == ',' ? choices.emplace_back() : choices.back() += c;
    }
    const auto value = lowered(message.substr(name.size() + 2, at - name.size() - 2));
    if (const auto meant = nearest_of(value, choices); !meant.empty()) {
      explained.hint = fmt::format("did you mean '{}'?", meant);
    }
  }
  return explained;
}

// The words as a keyboard writes them, and the first that was written otherwise: "a non-breaking space" parts two
// words, and curly quotes, which a shell does not know, join them. Names of files, and values of options, are as they
// are.
struct RetypedWords {
  Words words;
  std::string changed;
  std::string_view what;
};

RetypedWords retype_words(const Words& words, const CLI::App& app) {
  constexpr std::string_view kQuotes = "\"'";
  const auto* command = find_command(app, words.front());
  RetypedWords typed;
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto [text, found] = retype(words[i]);
    if (found.empty() || exists(words[i]) || (command != nullptr && is_value(words, i, *command))) {
      typed.words.push_back(words[i]);
      continue;
    }
    if (typed.changed.empty()) {
      typed.changed = words[i];
      typed.what = found.front();
    }
    if (text.find_first_of(kQuotes) == 0) {
      while (kQuotes.find(text.back()) == std::string_view::npos && i + 1 < words.size()) {
        text += " " + retype(words[++i]).text;
      }
      const auto end = text.find_last_not_of(kQuotes);
      typed.words.push_back(end == std::string::npos ? "" : text.substr(1, end));
      continue;
    }
    for (std::size_t at = 0; at < text.size();) {
      const auto end = std::min(text.find(' ', at), text.size());
      if (end > at) {
        typed.words.push_back(text.substr(at, end - at));
      }
      at = end + 1;
    }
  }
  return typed;
}

// If characters that only look right are why the words were refused: the line would be understood without them, or the
// word that was refused has one.
std::string hint_at_look_alikes(const Words& words, const std::string& refused, const CLI::App& app,
                                const IsUnderstood& is_understood) {
  const auto typed = retype_words(words, app);
  if (typed.changed.empty()) {
    return "";
  }
  const auto text = fmt::format("there is {} in '{}'", typed.what, without_secret(typed.changed));
  const bool is_whole = !typed.words.empty() &&
                        (find_command(app, typed.words.front()) != nullptr || has_option(app, typed.words.front()));
  if (is_whole && is_understood(typed.words)) {
    return with_line(text + "; typed anew", typed.words);
  }
  return typed.changed == refused ? text + ": type the word anew" : "";
}

// What was given without a command.
std::string guess_command(const Words& words, const CLI::App& app, const IsUnderstood& is_understood) {
  const auto with = [&](std::string_view command) {
    Words line{std::string(command)};
    line.insert(line.end(), words.begin(), words.end());
    return line;
  };
  const auto is_model = [](const std::string& word) { return !is_option(word) && is_file(word); };
  const bool is_pair = std::ranges::count_if(words, is_model) == 2;
  const bool is_plan = std::ranges::any_of(words, [](const auto& word) { return word.ends_with(".json"); });
  const auto guess = with(is_plan ? "release" : is_pair ? "graft" : "inspect");
  if (std::ranges::any_of(words, has_secret)) {
    return help_line(nullptr);
  }
  if (is_understood(guess)) {
    return as_line(guess);
  }
  std::vector<std::string> lines;
  for (const auto* command : all_commands(app)) {
    if (const auto line = with(command->get_name()); is_understood(line)) {
      lines.push_back(as_line(line));
    }
  }
  return lines.empty() ? help_line(nullptr) : fmt::format("{}", fmt::join(lines, ", or "));
}

// "--force graft TARGET DONOR" as "graft --force TARGET DONOR"; empty if there is no command in it.
Words with_command_first(const Words& words, const CLI::App& app) {
  const auto found = std::ranges::find_if(words, [&](const auto& word) { return find_command(app, word) != nullptr; });
  Words line;
  if (found != words.end()) {
    line.push_back(*found);
    line.insert(line.end(), words.begin(), found);
    line.insert(line.end(), found + 1, words.end());
  }
  return line;
}

}  // namespace

Words put_in_order(const Words& words, const CLI::App& app) {
  const auto first = std::ranges::find_if(words, std::not_fn(is_every_commands));
  const Words before(words.begin(), first);
  Words rest(first, words.end());
  while (rest.size() > 1 && (rest.front() == "--" || (rest[0] == "help" && rest[1] == "help"))) {
    rest.erase(rest.begin());
  }
  const bool is_alone = std::ranges::all_of(rest.begin() + (rest.empty() ? 0 : 1), rest.end(), is_every_commands);
  if (rest.empty()) {
    return words;
  }
  if (is_alone && has_word(kVersionWords, rest.front())) {
    rest.front() = "--version";
  } else if (rest.front() == "help") {
    rest.erase(rest.begin());
    rest.insert(rest.begin() + (rest.empty() ? 0 : 1), "--help");
  } else if (rest.size() == 2 && rest.back() == "help" && find_command(app, rest.front()) != nullptr &&
             !exists("help")) {
    rest.back() = "--help";
  }
  rest.insert(rest.begin() + 1, before.begin(), before.end());
  return rest;
}

Error explain_no_command(const Words& words, const CLI::App& app, const IsUnderstood& is_understood) {
  const auto& first = words.front();
  if (std::ranges::all_of(words, is_every_commands)) {
    return usage("the command is missing", help_line(nullptr));
  }
  auto error =
      usage(fmt::format("unknown {} '{}'", is_option(first) ? "option" : "command", without_secret(first)), "");
  error.hint = hint_at_look_alikes(words, first, app, is_understood);
  if (!error.hint.empty()) {
    return error;
  }
  if (base_name(first) == "mtpgraft") {
    error.hint = with_line("the program's name stands there twice", {words.begin() + 1, words.end()});
    return error;
  }
  if (const auto end = first.find(' '); words.size() == 1 && find_command(app, first.substr(0, end)) != nullptr) {
    error.hint = "quotes make one word of it" + (has_secret(first) ? "" : ": mtpgraft " + printable(first));
    return error;
  }
  const auto line = with_command_first(words, app);
  if (is_option(first) && !line.empty()) {
    const auto& command = *find_command(app, line.front());
    if (!has_option(command, option_name(first))) {
      return explain_option(first, line, command, app, is_understood);
    }
    error.message = fmt::format("'{}' is before the command", without_secret(first));
    error.hint = with_line("put it after the command", line);
    return error;
  }
  auto word = lowered(first);
  word.erase(0, word.find_first_not_of('-'));
  const auto* synonym = find_synonym(word, kCommandSynonyms, [](const Synonym& /*each*/) { return true; });
  std::vector<std::string> names;
  for (const auto* command : all_commands(app)) {
    names.push_back(command->get_name());
  }
  const auto meant = synonym != nullptr ? std::string(synonym->meant) : nearest_of(word, names);
  const auto option = meant_option(app, option_name(first));
  if (synonym != nullptr && meant.empty()) {
    error.hint = synonym->hint;
  } else if (!meant.empty()) {
    error.hint = did_you_mean(meant, with_first(meant, words), is_understood);
  } else if (is_option(first) && !option.empty()) {
    error.hint = fmt::format("did you mean '{}'?", option);
  } else if (!line.empty() && is_file(first)) {
    error.message = fmt::format("'{}' is before the command", without_secret(first));
    error.hint = with_line("the command comes first", line);
  } else if (is_option(first) ? !owners_of(option_name(first), app).empty() : is_file(first)) {
    error.message = fmt::format("there is no command before '{}'", without_secret(first));
    error.hint = guess_command(words, app, is_understood);
  } else {
    error.hint = help_line(nullptr);
  }
  return error;
}

Error explain_refusal(const CLI::ParseError& error, const Words& words, const CLI::App& app,
                      const IsUnderstood& is_understood) {
  const auto* command = find_command(app, words.front());
  const auto rest = app.remaining(true);
  const auto option = std::ranges::find_if(rest, is_option);
  auto explained = explain_value(error, command);
  // What CLI11 reports in terms of what is missing is mostly something that it did not understand.
  if (command != nullptr && option != rest.end()) {
    explained = explain_option(*option, words, *command, app, is_understood);
  } else if (command != nullptr && !rest.empty()) {
    explained = explain_arguments(rest, words, *command, is_understood);
  } else if (const Words release{"release", words.back()};
             error.get_name() == "RequiredError" && words.size() == 2 && words.back().ends_with(".json")) {
    explained.hint = did_you_mean("release", release, is_understood);
  }
  const auto refused = option != rest.end() ? *option : rest.empty() ? "" : rest.front();
  if (auto hint = hint_at_look_alikes(words, refused, app, is_understood); !hint.empty()) {
    explained.hint = std::move(hint);
  }
  return explained;
}

}  // namespace mtpgraft::cli
