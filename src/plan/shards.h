// Split models: which files the output has, and what tells loaders of them.
#pragma once

#include <optional>
#include <vector>

#include "mtpgraft/plan.h"
#include "plan/assembly.h"
#include "plan/key_list.h"

namespace mtpgraft {

// For each file of the output behind the first, the target's shard that it is; nothing for the head's own. Empty if the
// output is one file. Fails if `head`, the target's old one, cannot be left out by leaving out a file.
Result<std::vector<std::optional<std::size_t>>> arrange_shards(const GgufFile& target, const Head& head, Split split);

// Makes `keys` those of a first shard, or of a model in one file.
void set_split_keys(std::size_t file_count, std::size_t tensor_count, KeyList& keys);
void remove_split_keys(KeyList& keys);
// The number of files that the keys tell of.
std::uint64_t split_count(const KeyList& keys);
// For people: what the first two have done to the keys of `target`.
void describe_split_changes(const GgufFile& target, const KeyList& keys, std::vector<KeyChange>& changes);

// The target's shard as it is.
ShardPlan keep_shard(const GgufFile& target, std::size_t index);

// A shard of the head's tensors alone; `number` counts from 0.
Assembly assemble_head_shard(const GgufFile& target, std::size_t number, std::size_t file_count,
                             std::size_t tensor_count, std::vector<TensorEntry> tensors);

}  // namespace mtpgraft
