// Options that more than one command has.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/completion.h"
#include "mtpgraft/job.h"
#include "mtpgraft/option_names.h"

namespace mtpgraft::cli {

// A new command. When it is called, program.run runs `run` with the options, which `options` and the tree share.
// `check` may throw CLI::ParseError before.
template <class Options>
CLI::App* add_command(CLI::App& app, Program& program, const char* name, const char* description,
                      const std::shared_ptr<Options>& options,
                      Result<int> (*run)(const Options&, const OutputOptions&, FileSystem&),
                      void (*check)(const Options&) = nullptr) {
  auto* command = app.add_subcommand(name, description);
  command->callback([&program, options, run, check] {
    if (check != nullptr) {
      check(*options);
    }
    program.run = [options, run](const OutputOptions& output, FileSystem& files) {
      return run(*options, output, files);
    };
  });
  return command;
}

// One of several words.
template <class T, std::size_t N>
CLI::Option* add_choice(CLI::App& command, const char* name, const char* text, const Names<T, N>& names, T& chosen) {
  std::map<std::string, T> choices;
  for (const auto& [word, value] : names) {
    choices.emplace(word, value);
  }
  return command
      .add_option_function<std::string>(
          name, [choices, &chosen](const std::string& word) { chosen = choices.at(word); }, text)
      ->check(CLI::IsMember(choices));
}

// The options of commands that write a GGUF.
struct WriteOptions {
  std::optional<std::string> output;
  std::optional<std::string> checksums;
  OutputRequest request;  // all but these two
  bool dry_run = false;
  bool verbose = false;
  CLI::Option* output_option = nullptr;
  CLI::Option* in_place_option = nullptr;  // null for commands without
};

// `in_place_text` is null for commands that change nothing in place.
void add_write_options(CLI::App& command, WriteOptions& options, const char* output_text, const char* in_place_text);

// Checks the job, warns, and writes it, unless it is to be a dry run: that shows its plan before it says what stands
// against it, which is returned.
Result<std::optional<Error>> check_and_write(Job& job, const WriteOptions& options, const OutputOptions& output,
                                             const Context& context);

// Whether the report lists every tensor.
bool shows_details(const WriteOptions& options);

// The exit code of a command that is done but for an obstacle.
Result<int> exit_code(const std::optional<Error>& obstacle);

// kUsage for names that cannot be meant.
Result<OutputRequest> make_output_request(const WriteOptions& options);

// How the donor is read; for verify, what the record of the file does not tell.
void add_donor_options(CLI::App& command, DonorRequest& request);
void add_remote_options(CLI::App& command, RemoteFlags& flags);

}  // namespace mtpgraft::cli
