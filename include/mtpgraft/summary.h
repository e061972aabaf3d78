// What `mtpgraft inspect` tells of a file, from its header alone. All here is pure and cannot fail.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/gguf.h"
#include "mtpgraft/head.h"

namespace mtpgraft {

// How much of a model has one type.
struct TypeShare {
  std::string type;  // "Q4_K"
  std::uint64_t tensor_count = 0;
  std::uint64_t bytes = 0;  // without padding
};

// Adds up tensors by type, the largest first. The pointers are only read; none is null.
std::vector<TypeShare> share_types(const std::vector<const TensorInfo*>& tensors);

// Says what llama.cpp b10256 does with a file.
enum class Runtime {
  kUnknown,         // it has no code for heads of this architecture, and refuses files that have one
  kRuns,            // runs it, and would draft if it had its head
  kDrafts,          // drafts with its head
  kSkipsHead,       // runs it, and leaves heads of this architecture unused
  kRunsAsDrafter,   // runs it beside its model: it is a drafter of its own
  kDraftsBeside,    // drafts with it beside its model; it is nothing but a head
  kRefuses,         // does not load it, or never drafts
  kNeedsFirstFile,  // one file of a split model, which is loaded by its first
};

struct Summary {
  std::string architecture;  // general.architecture; empty if there is none
  std::string name;          // general.name; as the file has it, so not fit for a terminal
  std::uint64_t parameter_count = 0;
  std::uint64_t tensor_data_bytes = 0;  // without padding
  std::vector<TypeShare> types;         // all tensors, largest first
  Depth depth;
  std::uint64_t trunk_blocks = 0;
  std::string block_pattern;  // "9 recurrent, 3 attention (3 x RRRA)"; empty where tensors do not tell
  Head head;
  std::vector<TypeShare> head_types;  // the head's tensors, largest first
  Runtime runtime = Runtime::kUnknown;
  bool is_usable = false;       // llama.cpp drafts with this file as it is
  bool is_draft_model = false;  // llama.cpp drafts with it beside another file
};

Summary summarise(const GgufFile& file);

}  // namespace mtpgraft
