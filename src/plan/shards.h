// The files of an output that is a split model, and the keys that tell loaders of them.
#pragma once

#include <optional>
#include <vector>

#include "mtpgraft/plan.h"
#include "plan/assembly.h"
#include "plan/key_list.h"

namespace mtpgraft {

// The files of an output after the first: for each, the index of the target's file that it is, unchanged, or nothing
// for the head's own file. Empty if the output is one file. Fails if `head`, the target's old one, cannot be left out
// by leaving out a file.
using OtherFiles = std::vector<std::optional<std::size_t>>;
Result<OtherFiles> arrange_files(const GgufFile& target, const Head& head, Split split);

// `keys` with those of the first of `file_count` files; without any for a model in one file.
KeyList set_split_keys(std::size_t file_count, std::size_t tensor_count, KeyList keys);
// The number of files that the keys tell of.
std::uint64_t split_count(const KeyList& keys);

// The target's file as it is.
FilePlan keep_file(const GgufFile& target, std::size_t index);

// A file of the head's tensors alone; `number` counts from 0.
Assembly assemble_head_file(const GgufFile& target, std::size_t number, std::size_t file_count,
                            std::size_t tensor_count, std::vector<TensorEntry> tensors);

}  // namespace mtpgraft
