// Taking heads out of models, and out of donors.
#pragma once

#include <cstdint>

#include "mtpgraft/plan.h"

namespace mtpgraft {

struct StripOptions {
  // Of a placeholder, which has no head's tensors, change two numbers only, so that the file keeps its size.
  bool keep_size = false;
};

// The file without its head: with a record the original target, else a trunk as the converter's --no-mtp makes it. All
// copies are of the target, which is the file. Fails with kIncompatible if there is no head to take out, or nothing but
// a head.
Result<Plan> make_strip_plan(const GgufFile& file, const StripOptions& options);

enum class ExtractForm : std::uint8_t {
  kSidecar,      // what llama.cpp loads with -md: keys, the head, and the tensors that it shares with the trunk
  kTensorsOnly,  // the head's tensors and the name of the architecture
};

// The donor's head in a file of its own. With a `target` it is renumbered for that model, whose keys and shared tensors
// it gets; `target` is otherwise null, and then the plan's Source::kTarget is the donor as well. Fails with
// kIncompatible if the head does not fit, or if a donor without keys or shared tensors is to become a sidecar.
Result<Plan> make_extract_plan(const GgufFile& donor, const HeadData& head_data, const GgufFile* target,
                               ExtractForm form);

}  // namespace mtpgraft
