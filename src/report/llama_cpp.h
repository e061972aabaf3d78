// What llama.cpp does with a file, and what can be done about it, in words.
#pragma once

#include <string>

#include "mtpgraft/summary.h"

namespace mtpgraft::report {

// What kind of file it is, in a few words: "drafts", "no head; made of Qwen3.5-9B", "placeholder: ...".
std::string describe_verdict(const Summary& summary);

// "drafts with the MTP head of qwen35 models".
std::string describe_runtime(const Summary& summary);

// llama.cpp drafts with heads of models of that architecture.
bool can_draft(std::string_view architecture);

// It drafts with them in a file beside their model.
bool can_draft_beside(std::string_view architecture);

// The commands that make more of the file at `path`; empty if there are none.
std::string describe_next_step(const Summary& summary, const std::string& path, bool is_changeable = true);

}  // namespace mtpgraft::report
