// What `mtpgraft inspect` tells of a file, from its header alone. All here is pure and cannot fail.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/base_models.h"
#include "mtpgraft/file_kind.h"
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

// What publishers recommend, after `llama-server -m MODEL` or `-m MODEL -md SIDECAR`.
inline constexpr std::string_view kDraftOptions = "--spec-type draft-mtp --spec-draft-n-max 2";

// Says what llama.cpp v0.5.0 does with a file, as far as its header tells.
enum class Runtime {
  kUnknown,         // nothing is known of heads of this architecture
  kRuns,            // knows its architecture, and would draft if it had its head
  kAborts,          // runs it, and ends the process when it is asked to draft
  kDrafts,          // drafts with its head
  kSkipsHead,       // runs it, and leaves heads of this architecture unused
  kForksOnly,       // refuses heads of this architecture; forks draft with them
  kRunsAsDrafter,   // runs it beside its model: it is a drafter of its own
  kDraftsBeside,    // drafts with it beside its model; it is nothing but a head
  kRefuses,         // does not load it, or never drafts
  kNeedsFirstFile,  // one file of a split model, which is loaded by its first
  kNoModel,         // does not run it as a model: Summary::recognised says what it is
};

// What a GGUF is. Of models and heads, Summary tells more; of all else `use` tells what it is for.
struct Recognised {
  FileKind kind;
  std::string what;  // "a LoRA adapter"
  std::string use;   // commands that take it, or why nothing does; fit for a terminal; empty for models and heads
};

// `head` is the result of find_head() on the file.
Recognised recognise(const GgufFile& file, const Head& head);

struct Summary {
  Recognised recognised{};
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
  // Says in whose names the head is ("fc-embd"), and whether its vocabulary is trimmed, as `mtp.dialects` in
  // docs/json.md; empty for a head as llama.cpp wants it. The texts live as long as the program.
  std::vector<std::string_view> dialects;
  bool borrows_tensors = false;  // a head without trunk whose keys say that its model lends token_embd and output
  std::string base_model;        // general.base_model.0, by its URL or name; as the file has it; may be empty
  std::vector<BaseModel> base_models;
  std::string load_problem;  // why no known loader reads it, whatever its head; empty: none is known
  Runtime runtime = Runtime::kUnknown;
  bool is_usable = false;       // llama.cpp drafts with this file as it is
  bool is_draft_model = false;  // llama.cpp drafts with it beside another file
};

Summary summarise(const GgufFile& file);

}  // namespace mtpgraft
