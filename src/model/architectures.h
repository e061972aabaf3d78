// What is known of each architecture that llama.cpp can give an MTP head. A new architecture is a table entry.
// Source: the loaders and converters of llama.cpp b10256 (6c8dcaa) and the pull requests named in
// docs/architectures.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "mtpgraft/gguf.h"

namespace mtpgraft {

enum class MtpSupport : std::uint8_t {
  kDrafts,           // llama.cpp speculates with the head
  kSkips,            // it loads the head and leaves it unused
  kSeparateDrafter,  // MTP lives in a model file of its own
  kUnknown,          // llama.cpp b10256 has no MTP code for it
};

struct Architecture {
  std::string_view name;
  MtpSupport support = MtpSupport::kUnknown;
  // Tensors that every MTP block must have, after "blk.N."; alternatives are separated by '|'.
  std::span<const std::string_view> required{};
  std::uint32_t blocks_max = 0;               // MTP blocks the loader takes; 0 for any number
  bool loads_placeholder = false;             // accepts a declared head whose tensors are absent
  bool loads_sidecar = false;                 // accepts a file with nothing but the head and the shared tensors
  bool norms_are_shifted = false;             // the converter adds 1 to norm weights
  bool attention_shapes_known = true;         // attn_* follow head_count, head_count_kv and key_length of layer 0
  bool query_has_gate = false;                // attn_q holds query and gate, twice as many rows
  bool forbids_fused_qkv = false;             // a fused attn_qkv in the head loads and then crashes
  bool block_count_may_exclude_head = false;  // trunk-only files keep nextn_predict_layers and do not count it
  std::string_view note{};
};

// LLAMA_MAX_LAYERS of llama.cpp; also bounds what a hostile count can cost.
inline constexpr std::uint64_t kBlocksMax = 512;

// The entry of `name`; for a name in no table an entry with kUnknown support and no requirements.
Architecture find_architecture(std::string_view name);

// What happens to a per-layer array `{arch}.key` when a head is added.
enum class ArrayRule : std::uint8_t {
  kExtend,       // one entry per block, the head's included
  kTrunkOnly,    // one entry per trunk block, also with a head
  kNotPerLayer,  // never one entry per block, whatever its length
};

// Where an extended entry comes from when the donor has no array of that key.
enum class ArrayFill : std::uint8_t {
  kDonorOrLast,  // the donor's scalar of the key, else (or if it is 0) the target's last entry that is not 0
  kZero,
  kOne,
};

struct LayerArray {
  std::string_view key;           // without "{arch}."
  std::string_view architecture;  // empty for all
  ArrayRule rule;
  ArrayFill fill = ArrayFill::kDonorOrLast;
};

const LayerArray* find_layer_array(std::string_view architecture, std::string_view key);

// Extents that tensor shapes are made of, each a hyper-parameter or a product of some.
enum class Extent : std::uint8_t {
  kNone,
  kEmbedding,
  kEmbedding2,  // 2 x embedding
  kHead,        // key_length
  kQuery,       // key_length x head_count
  kKey,         // key_length x head_count_kv
  kValue,       // value_length x head_count_kv
  kFeedForward,
  kExperts,
  kExpertForward,
  kExpertForward2,
  kSharedForward,
  kVocabulary,
};

struct HeadTensorShape {
  std::string_view name;  // after "blk.N."
  std::array<Extent, 3> extents;
};

std::span<const HeadTensorShape> head_tensor_shapes();

}  // namespace mtpgraft
