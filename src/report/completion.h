// Scripts with which shells complete the command line.
#pragma once

#include <string>
#include <vector>

namespace mtpgraft::report {

enum class Shell { kBash, kFish, kZsh };

// What a shell is told of an option or an argument.
struct CompletedOption {
  std::vector<std::string> names;  // none for an argument
  std::vector<std::string> excluded;
  std::string description;
  std::string value_name;
  std::vector<std::string> words;  // that the value can be
  std::vector<std::string> files;  // patterns for it
  bool takes_value = false;
  bool value_is_optional = false;  // then it follows a '='
  bool repeats = false;
  bool stands_alone = false;  // as --help does
};

struct CompletedCommand {
  std::string name;
  std::string description;
  std::vector<CompletedOption> options;
  std::vector<CompletedOption> arguments;
};

// `program` has the options that belong before a command.
std::string completion_script(const CompletedCommand& program, const std::vector<CompletedCommand>& commands,
                              Shell shell);

}  // namespace mtpgraft::report
