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
  kSqueeze,           // extents of 1 are left out
  kStackExperts,      // a '*' in the name numbers the experts, which become one tensor
  kSplitGateUp,       // the first half of an expert's rows is the gate, the second is up
  kSplitKeyValue,     // kv_b_proj: of each head's rows, the first are attn_k_b, transposed, the rest attn_v_b
  kFuseQkv,           // an FP8 qkv_proj is stored in parts for parallel processors
  kJoinRows,          // the rows of several matrices, in the order of `part`
  kJoinColumns,       // several matrices side by side, in the order of `part`
  kInterleaveHalves,  // of each attention head's rows, one of the first half and one of the second by turns
  kPartPairs,      // of each head's rows that are rotated, the even ones, then the odd ones; where config.json says so
  kSplitIndexer,   // index_qk_proj: the first rows are indexer.q_proj, the rest indexer.k_proj
  kRescaleQuery,   // a norm, times the factor that config.json gives the rank of queries
  kRescaleLatent,  // the same for the rank of keys and values
  kLeaveOut,       // values that llama.cpp does without: they must all be 0
};

struct TensorRule {
  std::string_view name;  // after the block's prefix; with or without suffix
  std::string_view
      gguf_name;  // after "blk.N."; a name without ".weight" or ".bias" keeps the suffix that follows `name`
  Transform transform = Transform::kNone;
  std::uint64_t part = 0;  // of kJoinRows and kJoinColumns
};

// Where a head's tensors are. Whatever goes before, as "model." and "language_model.", is left out.
enum class HeadLayout : std::uint8_t {
  kMtp,       // mtp.layers.N.*, and mtp.* for what is of no layer
  kNumbered,  // mtp.N.*
  kFolded,    // mtp.*, all of it one block; rules have the names after "mtp."
  kAppended,  // layers.N.*, where N goes on from the trunk's
};

// The names in config.json of the numbers that latent attention is cut by.
struct LatentNames {
  std::string_view heads = "num_key_value_heads";
  std::string_view unrotated_width = "qk_nope_head_dim";
  std::string_view value_width = "v_head_dim";
};

struct Family {
  std::string_view architecture;                   // general.architecture
  std::span<const std::string_view> config_names;  // of config.json's `architectures` and `model_type`
  std::string_view count_key{};                    // of config.json: the number of head blocks; empty: it does not tell
  HeadLayout layout = HeadLayout::kMtp;
  bool shares_fusion = false;           // what is of no layer is of every block of the head
  std::string_view shared_layer_key{};  // of config.json: whether the one layer that there is, is every block
  LatentNames latent{};
  std::string_view held_to;           // what its conversion is compared with, for people
  std::string_view written_prefix{};  // of a block's number, where a head is written; empty: that of the layout
  std::array<std::span<const TensorRule>, 8>
      rules;                                 // of several for one tensor of a GGUF the first is how it is written
  std::span<const TensorRule> alternates{};  // are read too, before the others, and never written
};

// Models whose checkpoints have MTP tensors that are no head for llama.cpp.
struct UnreadableFamily {
  std::span<const std::string_view> config_names;
  std::string_view why;
  std::string_view hint;
};

// Experts, or attention heads, each of whose matrices is a piece of its own; llama.cpp takes 1,024 experts.
inline constexpr std::uint64_t kMatricesMax = 4096;

std::span<const Family> families();

// The first of that architecture; null if there is none.
const Family* family_of_architecture(std::string_view architecture);

std::span<const UnreadableFamily> unreadable_families();

}  // namespace mtpgraft
