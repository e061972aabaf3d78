// The tensors of a checkpoint that are its head, and what each is called in a GGUF.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/families.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

struct HeadTensorSource {
  std::string name;         // in the checkpoint
  std::uint64_t block = 0;  // of the head, from 0
  bool is_of_no_layer = false;
  std::string gguf_name;  // after "blk.N."
  bool is_root = false;   // is of no block in the GGUF either: `gguf_name` is all of its name
  Transform transform = Transform::kNone;
  std::uint64_t part = 0;   // the expert of kStackExperts, the matrix of kJoinRows and kJoinColumns
  std::uint64_t parts = 0;  // of kJoinRows and kJoinColumns: how many there must be
};

// One tensor of the GGUF, or the first of those that a transform makes of one of the checkpoint.
struct HeadTensorGroup {
  Transform transform = Transform::kNone;
  std::uint64_t parts = 0;                       // that there must be; 0 for any number
  std::map<std::uint64_t, std::string> sources;  // by part
};

using HeadTensorGroups = std::map<std::string, HeadTensorGroup>;  // by name in the GGUF

// The head's tensors among `names`, ordered as those are; empty if there is no head. `trunk_blocks` is absent where no
// config.json tells it. Fails with kUnsupported if the head has a tensor that is not in the table.
Result<std::vector<HeadTensorSource>> map_head(const Family& family, const std::vector<std::string>& names,
                                               std::optional<std::uint64_t> trunk_blocks);

// Where blocks of the head have tensors in common, which a GGUF has for each: all of them. `shares_layers`: its one
// layer is every block.
std::vector<HeadTensorSource> repeat_shared(const Family& family, bool shares_layers, std::uint64_t head_blocks,
                                            std::vector<HeadTensorSource> sources);

// The GGUF's tensors, the head's first block being `first_block`. Fails with kMalformed if two tensors are the same
// one, with kIncompatible if of several parts one is missing.
Result<HeadTensorGroups> group_sources(const std::vector<HeadTensorSource>& sources, std::uint64_t first_block);

}  // namespace mtpgraft
