// The tensors of a checkpoint that are its head, and what each is called in a GGUF; and the other way round.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/families.h"
#include "mtpgraft/head.h"
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

// Whether a head's tensor that a transform has made can be made the checkpoint's again, by what a GGUF tells.
bool has_inverse(Transform transform);

// What is in front of a block's number where a head of the family is written: "model.layers.".
std::string_view written_prefix(const Family& family);

// The name of the second of the two tensors that a transform makes, by that of the first: "ffn_up_exps.weight" for
// "ffn_gate_exps.weight". Empty for a transform that makes one.
std::string second_name(Transform transform, std::string_view first);

// A tensor as a checkpoint has it, made of one or two of a GGUF's head; of kStackExperts those of all experts.
struct WrittenTensor {
  std::string name;  // a '*' stands for the number of the expert
  Transform transform = Transform::kNone;
  std::uint64_t part = 0;            // as the rule has it
  std::vector<std::size_t> sources;  // indices into the tensors that were given
};

// What the tensors of a GGUF's head, whose blocks count from `first_block`, are written as: the inverse of map_head().
// Fails with kUnsupported for a tensor that is not in the table, with kIncompatible if one of a pair is missing.
Result<std::vector<WrittenTensor>> map_back(const Family& family, std::span<const BlockTensorName> tensors,
                                            std::uint64_t first_block);

}  // namespace mtpgraft
