// One file per command: it enters the command's options into the tree, and runs it in one story.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mtpgraft/file.h"

namespace CLI {
class App;
}

namespace mtpgraft::cli {

enum class ProgressWay {
  kAuto,  // a line on a terminal
  kJson,  // events, whatever stderr is
  kNone,
};

struct OutputOptions {
  bool json = false;
  bool quiet = false;
  ProgressWay progress = ProgressWay::kAuto;
};

// What the command line asks for.
struct Program {
  OutputOptions output;
  std::string command;
  std::vector<std::string> server_arguments;  // behind "--", of commands that start a server
  // Prints the answer and returns the exit code, or an error for the caller to report.
  std::function<Result<int>(const OutputOptions& output, FileSystem& files)> run;
};

void add_inspect(CLI::App& app, Program& program);
void add_graft(CLI::App& app, Program& program);
void add_extract(CLI::App& app, Program& program);
void add_strip(CLI::App& app, Program& program);
void add_verify(CLI::App& app, Program& program);
void add_bench(CLI::App& app, Program& program);
void add_checksum(CLI::App& app, Program& program);
void add_release(CLI::App& app, Program& program);
void add_cache(CLI::App& app, Program& program);
void add_recover(CLI::App& app, Program& program);
void add_completion(CLI::App& app, Program& program);

}  // namespace mtpgraft::cli
