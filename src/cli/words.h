// The words of a command line, and the tree of commands that they are meant for.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/result.h"

namespace CLI {
class App;
}

namespace mtpgraft::cli {

using Words = std::vector<std::string>;

// Behind the "--" of this command stand the arguments of a llama-server.
inline constexpr std::string_view kServerCommand = "bench";

// Whether a command line would be understood.
using IsUnderstood = std::function<bool(const Words& words)>;

bool is_option(std::string_view word);
// Of "--yarn=4", "--yarn" and "=4".
std::string option_name(const std::string& word);
std::string option_value(const std::string& word);

bool exists(const std::string& path);

const CLI::App* find_command(const CLI::App& app, std::string_view name);
std::vector<const CLI::App*> all_commands(const CLI::App& app);
bool has_option(const CLI::App& command, const std::string& name);

std::string nearest_of(const std::string& word, const std::vector<std::string>& names);

// A copy with `by` in the place of the first `word`.
Words replaced(Words words, const std::string& word, const Words& by);

// Of an option of the command that takes one: the word behind it, or behind its '='.
bool is_value(const Words& words, std::size_t index, const CLI::App& command);

// As it can be pasted into a shell.
std::string as_line(const Words& words);

// "TEXT: LINE"; the text alone if a URL in the line may have a password, which would come into logs.
std::string with_line(std::string text, const Words& line);

// "mtpgraft graft --help".
std::string help_line(const CLI::App* command);

// "did you mean 'inspect'? mtpgraft inspect FILE": with the line if it would be understood.
std::string did_you_mean(std::string_view what, Words line, const IsUnderstood& is_understood);

Error usage(std::string message, std::string hint);

}  // namespace mtpgraft::cli
