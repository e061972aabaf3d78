// What llama.cpp does with a file, and what can be done about it, in words.
#pragma once

#include <string>

#include "mtpgraft/summary.h"

namespace mtpgraft::report {

// "drafts with the MTP head of qwen35 models".
std::string describe_runtime(const Summary& summary);

// The commands that make more of the file at `path`; empty if there are none.
std::string describe_next_step(const Summary& summary, const std::string& path);

}  // namespace mtpgraft::report
