// Heads of GGUFs whose tensors keep the names of a checkpoint, as exports by Ollama and others have them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/dialect.h"

namespace mtpgraft {

struct CheckpointNames {
  std::vector<StandardTensor> tensors;  // under llama.cpp's names, in the order of their first parts
  std::uint64_t first_block = 0;        // of the head
  std::uint64_t block_count = 0;        // of the head; 0: no tensor has such a name
  std::vector<std::string> problems;    // why the names cannot be made llama.cpp's, for people
};

// What a checkpoint's family calls these tensors. Of a name that is half llama.cpp's ("mtp.layers.0.attn_q.weight")
// only the beginning is replaced. Finds nothing for an architecture that is no family.
CheckpointNames find_checkpoint_names(const GgufFile& file);

}  // namespace mtpgraft
