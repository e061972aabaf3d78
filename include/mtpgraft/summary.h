// What `mtpgraft inspect` tells of a file, from its header alone.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/gguf.h"
#include "mtpgraft/head.h"

namespace mtpgraft {

struct TypeShare {
  std::string type;
  std::uint64_t tensor_count = 0;
  std::uint64_t bytes = 0;
};

// Largest first.
std::vector<TypeShare> share_types(const std::vector<const TensorInfo*>& tensors);

// What llama.cpp b10256 does with a file.
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
  std::string architecture;
  std::string name;  // general.name
  std::uint64_t parameter_count = 0;
  std::uint64_t tensor_data_bytes = 0;  // without padding
  std::vector<TypeShare> types;         // largest first
  Depth depth;
  std::uint64_t trunk_blocks = 0;
  std::string block_pattern;  // "9 recurrent, 3 attention (3 x RRRA)"; empty where tensors do not tell
  Head head;
  std::vector<TypeShare> head_types;
  Runtime runtime = Runtime::kUnknown;
  bool is_usable = false;       // llama.cpp drafts with this file as it is
  bool is_draft_model = false;  // llama.cpp drafts with it beside another file
};

Summary summarise(const GgufFile& file);

}  // namespace mtpgraft
