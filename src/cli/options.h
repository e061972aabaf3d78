// The command line as plain structs.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mtpgraft/file.h"

namespace mtpgraft::cli {

struct OutputOptions {
  bool json = false;
  bool quiet = false;
};

struct InspectOptions {
  std::vector<std::string> files;
  std::string tensors_glob;  // empty: do not list
  std::string keys_glob;
};

struct GraftCommandOptions {
  std::string target;
  std::string donor;
  std::optional<std::string> output;
  std::optional<std::string> checksums;
  CopyMethod copy = CopyMethod::kAuto;
  bool in_place = false;
  bool replace = false;
  bool dry_run = false;
  bool force = false;
  bool strict = false;
  bool no_record = false;
  bool no_sync = false;
  bool verbose = false;
};

struct VerifyOptions {
  std::string file;
  std::string target;
  std::string donor;
  std::string checkfile;
  bool trust_shared_extents = false;
  bool exact = false;
  bool status = false;
  bool strict = false;
  bool ignore_missing = false;
};

struct ChecksumOptions {
  std::string file;
};

struct RecoverOptions {
  std::string target;
};

struct Options {
  OutputOptions output;
  std::variant<InspectOptions, GraftCommandOptions, VerifyOptions, ChecksumOptions, RecoverOptions> command;
  std::string command_name;
};

// The options, or the exit code if there is nothing to run: help was printed, or the command line is wrong.
std::variant<Options, int> parse_options(int argc, const char* const* argv);

}  // namespace mtpgraft::cli
