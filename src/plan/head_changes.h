// What a head changes in the model that it goes into: keys, and the tensors that come with it.
#pragma once

#include <vector>

#include "mtpgraft/plan.h"
#include "plan/assembly.h"
#include "plan/key_list.h"

namespace mtpgraft {

// Changes the depth and the per-layer arrays of `keys`, those of `target`, for the donor's head behind `trunk_blocks`;
// tells of it in `plan`.
Status set_head_keys(const GgufFile& target, std::uint64_t trunk_blocks, const GgufFile& donor, const Head& donor_head,
                     KeyList& keys, Plan& plan);

// The donor's head tensors under their names in the output; tells of them in `plan`. `head_data` must outlive them.
std::vector<TensorEntry> rename_head(const GgufFile& donor, const Head& donor_head, const HeadData& head_data,
                                     std::uint64_t trunk_blocks, Plan& plan);

// The trunk's among the model's first `count` tensors, as they are; adds the names of the head's to `removed`.
std::vector<TensorEntry> keep_trunk(const GgufFile& model, const Head& head, std::size_t count,
                                    std::vector<std::string>& removed);

// For after assemble(): where the head's tensors stand. They are the last of `tensors`.
void take_offsets(const std::vector<TensorEntry>& tensors, Plan& plan);

// A change for people to read; nulls where there is no such key.
KeyChange describe_change(std::string_view key, const KeyValue* from, const GgufValue* to);

}  // namespace mtpgraft
