// The model families whose checkpoints can be read: what each tensor of their heads is called in a GGUF. A new family
// is a table entry, with a transform of its own where its tensors are cut otherwise. Source: the converters of
// llama.cpp (conversion/*.py and gguf-py's tensor_mapping.py, May to September 2026).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace mtpgraft {

enum class Transform : std::uint8_t {
  kNone,
  kSqueeze,        // extents of 1 are left out
  kStackExperts,   // a '*' in the name numbers the experts, which become one tensor
  kSplitGateUp,    // the first half of an expert's rows is the gate, the second is up
  kSplitKeyValue,  // kv_b_proj: of each head's rows, the first are attn_k_b, transposed, the rest attn_v_b
  kFuseQkv,        // an FP8 qkv_proj is stored in parts for parallel processors
  kJoinRows,       // the rows of several matrices, in the order of `part`
};

struct TensorRule {
  std::string_view name;  // after the block's prefix; with or without suffix
  std::string_view
      gguf_name;  // after "blk.N."; a name without ".weight" or ".bias" keeps the suffix that follows `name`
  Transform transform = Transform::kNone;
  std::uint64_t part = 0;  // of kJoinRows
};

struct Family {
  std::string_view architecture;                   // general.architecture
  std::span<const std::string_view> config_names;  // of config.json's `architectures` and `model_type`
  std::string_view count_key{};                    // of config.json: the number of head blocks; empty: it does not tell
  bool is_appended = false;                        // blocks follow the trunk's as layers.N; else they are mtp.layers.N
  bool has_latent_attention = false;
  std::string_view held_to = "the converter of v0.5.0, read";  // what its conversion is compared with, for people
  std::array<std::span<const TensorRule>, 6> rules;
};

std::span<const Family> families();

}  // namespace mtpgraft
