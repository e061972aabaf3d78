// Plans that take heads out of models, and out of donors. All here is pure.
#pragma once

#include <cstdint>

#include "mtpgraft/plan.h"

namespace mtpgraft {

struct StripOptions {
  // Changes only two numbers of a placeholder, which has no head's tensors, so that the file keeps its size.
  bool keep_size = false;
};

// Plans the file without its head: with a record the original target, else a trunk as the converter's --no-mtp makes
// it. All copies are from the target, which is the file. Fails with kIncompatible if there is no head to take out, or
// nothing but a head.
Result<Plan> make_strip_plan(const GgufFile& file, const StripOptions& options);

enum class ExtractForm : std::uint8_t {
  kSidecar,      // what llama.cpp loads with -md: keys, the head, and the tensors that it shares with the trunk
  kTensorsOnly,  // the head's tensors and the name of the architecture
  kSlimSidecar,  // a sidecar that says that its shared tensors are the target's, and has none; not every runtime reads
                 // it
  kCheckpoint,   // a .safetensors file in the names of the family's checkpoints; make_extract_plan() makes none
};

// Plans a file with the donor's head alone. With a `target` the head is renumbered for that model, whose keys and
// shared tensors it gets; `target` is otherwise null, and then the plan's Source::kTarget is the donor as well.
// `head_data` is what read_head_data() makes of the donor, else kUsage. Fails with kIncompatible if the head does not
// fit, or if a donor without keys or shared tensors is to become a sidecar; with kUnsupported for a slim sidecar that
// nothing is known to read.
Result<Plan> make_extract_plan(const GgufFile& donor, const HeadData& head_data, const GgufFile* target,
                               ExtractForm form);

}  // namespace mtpgraft
