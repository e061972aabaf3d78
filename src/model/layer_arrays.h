// Per-layer arrays: which of them a head lengthens, and by which values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gguf/serialize.h"
#include "model/structure.h"
#include "mtpgraft/head.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// The new value of `item`, a key of the target; nothing if it stays as it is. Fails if the array is per-layer, as far
// as its length tells, and no one knows what to put there. `like` is of the same trunk and head.
Result<std::optional<GgufValue>> extend_layer_array(const KeyValue& item, const GgufFile& target,
                                                    std::uint64_t trunk_blocks, const GgufFile& donor,
                                                    const Head& donor_head, const LikeBlocks& like);

// What is wrong with the per-layer arrays of a file that has trunk and head; one sentence each.
std::vector<std::string> find_array_problems(const GgufFile& file, const Head& head);

// The value of `item`, a key of `file`, without the head's entries; nothing if it has none.
std::optional<GgufValue> cut_layer_array(const KeyValue& item, const GgufFile& file, std::uint64_t trunk_blocks);

}  // namespace mtpgraft
