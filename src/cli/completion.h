// What the scripts are made of with which shells complete the command line: the options as CLI11 has them.
#pragma once

#include <string>

#include "report/completion.h"

namespace CLI {
class App;
}

namespace mtpgraft::cli {

// What a value is completed with is the type name of its option, of which --help shows nothing: files that match
// patterns, or {one,word,of,these}. A CLI::IsMember check names its words itself.
inline constexpr const char* kModelFiles = "*.gguf";
inline constexpr const char* kDonorFiles = "*.gguf *.safetensors";
inline constexpr const char* kPlanFiles = "*.json";
inline constexpr const char* kAnyFiles = "*";

// `app` is the program with all of its commands.
std::string completion_script(const CLI::App& app, report::Shell shell);

}  // namespace mtpgraft::cli
