// The command line as plain structs.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/donor_input.h"
#include "cli/write_plan.h"

namespace mtpgraft::cli {

struct OutputOptions {
  bool json = false;
  bool quiet = false;
};

struct InspectOptions {
  std::vector<std::string> files;
  std::string tensors_glob;  // empty: do not list
  std::string keys_glob;
  std::optional<std::string> mmproj;
  RemoteFlags remote;
};

struct GraftCommandOptions {
  std::string target;
  DonorOptions donor;
  WriteOptions write;
  std::vector<KeyEdit> edits;  // in the order of the command line
  std::optional<double> yarn_factor;
  Split split = Split::kAsTarget;
  bool replace = false;
  bool strict = false;
  bool no_record = false;
};

struct ExtractOptions {
  DonorOptions donor;
  std::string target;  // --for; may be empty
  WriteOptions write;
  bool tensors_only = false;
};

struct StripCommandOptions {
  std::string file;
  WriteOptions write;
};

struct VerifyOptions {
  std::string file;
  std::string target;
  DonorOptions donor;
  std::string checkfile;
  bool trust_shared_extents = false;
  bool exact = false;
  bool status = false;
  bool strict = false;
  bool ignore_missing = false;
};

struct ChecksumOptions {
  std::string file;
  DigestAlgorithm algorithm = DigestAlgorithm::kXxh128;
};

struct RecoverOptions {
  std::string target;
};

struct ReleaseOptions {
  std::string plan;
  std::size_t jobs = 1;
  bool dry_run = false;
  bool force = false;
  bool no_sync = false;
};

struct CacheOptions {
  bool clear = false;  // else it is listed
};

struct CompletionOptions {
  std::string script;  // that is to be printed
};

struct Options {
  OutputOptions output;
  std::variant<InspectOptions, GraftCommandOptions, ExtractOptions, StripCommandOptions, VerifyOptions, ChecksumOptions,
               RecoverOptions, ReleaseOptions, CacheOptions, CompletionOptions>
      command;
  std::string command_name;
};

// The options, or the exit code if there is nothing to run: help was printed, or the command line is wrong.
std::variant<Options, int> parse_options(int argc, const char* const* argv);

// Those of a graft alone; `arguments` begin with the command's name.
Result<GraftCommandOptions> parse_graft_arguments(std::vector<std::string> arguments);

}  // namespace mtpgraft::cli
