// The tensors and keys that a head brings into a model.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/plan.h"
#include "plan/assembly.h"
#include "plan/key_list.h"

namespace mtpgraft {

// A head on its way into a model.
struct HeadPlacement {
  const GgufFile& target;
  std::uint64_t trunk_blocks;  // of the target
  const GgufFile& donor;
  const Head& head;  // of the donor
  const HeadData& data;

  [[nodiscard]] std::uint64_t block_count() const { return trunk_blocks + head.block_count; }
};

// `keys`, those of the target, with the depth and the per-layer arrays that the head makes of them.
Result<KeyList> set_head_keys(const HeadPlacement& placement, KeyList keys);

// `keys`, those of a model that has its head, with the depth in the type that loaders want.
KeyList mend_depth_keys(const GgufFile& model, KeyList keys);

// What becomes of the target's keys in `keys`, for people to read: the depth first, as the head is about it; what the
// user asked for last, in the order of `edits`; a per-layer array by the head's entries.
std::vector<KeyChange> describe_head_changes(const HeadPlacement& placement, const KeyList& keys,
                                             const std::vector<KeyEdit>& edits);

// `key` is block_count or nextn_predict_layers.
bool is_depth_key(const GgufFile& model, std::string_view key);

// kUsage if `data` are not what read_head_data() makes of the donor.
Status check_head_data(const GgufFile& donor, const Head& head, const HeadData& data);

// The donor's head tensors under their names in the output. They refer to the placement's `data`.
std::vector<TensorEntry> rename_head(const HeadPlacement& placement);

// After assemble(), which sets the offsets.
std::vector<HeadTensor> describe_head(const std::vector<TensorEntry>& head);

// The tensors of the model's first `count` that are not of `head`, as they are.
std::vector<TensorEntry> keep_trunk(const GgufFile& model, const Head& head, std::size_t count);

std::vector<std::string> names_of_head(const GgufFile& model, const Head& head);

}  // namespace mtpgraft
