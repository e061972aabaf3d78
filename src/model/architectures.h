// What is known of each architecture that can have an MTP head: one entry, from which docs/architectures.md is printed.
// Source: the loaders, graphs and converters of llama.cpp v0.5.0 (2026-09-28), run on tiny models of each architecture
// (`run_in`), and before that b10257; for what forks do, their sources.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "mtpgraft/head.h"

namespace mtpgraft {

// The builds that statements about llama.cpp hold for.
inline constexpr std::string_view kLlamaCppBuild = "v0.5.0";

// What llama.cpp does with a head in the model's file when it is asked to draft.
enum class MtpSupport : std::uint8_t {
  kDrafts,           // speculates with it
  kSkips,            // loads the model and leaves the head unused
  kForksDraft,       // refuses the file; forks draft
  kSeparateDrafter,  // MTP lives in a model file of its own
  kUnknown,          // in no table
};

// What llama.cpp does with a file that declares a head and has none of its tensors.
enum class PlaceholderSupport : std::uint8_t {
  kRefuses,
  kAborts,  // loads it, and ends the process when it is asked to draft
  kLoads,
};

// What happens to a per-layer array `{arch}.key` when a head is added.
enum class ArrayRule : std::uint8_t {
  kExtend,       // one entry per block, the head's included
  kAnyLength,    // the same, but other lengths load too: entries that are missing count as 0
  kTrunkOnly,    // one entry per trunk block, also with a head
  kNotPerLayer,  // never one entry per block, whatever its length
};

// Where an extended entry comes from when the donor has no array of that key.
enum class ArrayFill : std::uint8_t {
  kLikeBlock,  // the donor's scalar, else the entry of a trunk block with the head's shapes
  kZero,
};

struct LayerArray {
  std::string_view key;  // without "{arch}."
  ArrayRule rule = ArrayRule::kExtend;
  ArrayFill fill = ArrayFill::kLikeBlock;
};

struct Architecture {
  std::string_view name;      // general.architecture
  std::string_view models{};  // that have it, for people
  MtpSupport support = MtpSupport::kUnknown;
  // Tensors without which a head does not load or draft, after "blk.N."; alternatives are separated by '|'.
  std::span<const std::string_view> required{};
  // Tensors that the loader takes too. Heads load without them, and draft worse if the trunk has them.
  std::span<const std::string_view> optional{};
  // Beginnings of names that trunk blocks have and heads do without.
  std::span<const std::string_view> trunk_only{};
  std::span<const std::string_view> root{};      // tensors of no block that its loader asks for besides the usual
  std::span<const std::string_view> own_root{};  // those among them that a sidecar has of its own, not its model's
  std::span<const LayerArray> arrays{};          // besides those that every architecture can have
  std::uint32_t blocks_max = 0;                  // MTP blocks that can draft; 0 for any number
  PlaceholderSupport placeholder = PlaceholderSupport::kRefuses;
  bool loads_sidecar = false;  // -md with a file of the head and the shared tensors drafts
  // Who reads a sidecar without shared tensors, with {arch}.nextn_shared_target_tensors; empty: nobody known.
  std::string_view slim_sidecar_readers{};
  bool norms_are_shifted = false;             // the converter adds 1 to norm weights
  bool has_output_norm = true;                // output_norm.weight, which a sidecar shares
  bool hnorm_covers_streams = false;          // nextn.hnorm has hyper_connection.count x embedding_length elements
  bool needs_query_rank = false;              // without attention.q_lora_rank drafting aborts
  bool block_count_may_exclude_head = false;  // trunk-only files keep nextn_predict_layers and do not count it
  std::string_view since = "b10256";          // the first build that does so, of those that were looked at
  std::string_view note{};                    // more about it, for people
  std::string_view run_in = "v0.5.0";         // where grafts were run; empty: only its sources were read
};

// LLAMA_MAX_LAYERS of llama.cpp; also bounds what a hostile count can cost.
inline constexpr std::uint64_t kBlocksMax = 512;

std::span<const Architecture> architectures();

// Those that every architecture can have.
std::span<const LayerArray> common_layer_arrays();

// The entry of `name`; for a name in no table one that requires nothing.
Architecture find_architecture(std::string_view name);

// The tensors outside of its head that a sidecar must have. Where there is no output_norm, a mixer of which the head
// has one of its own stands in for it.
std::array<std::string_view, 2> sidecar_tensors(const Architecture& architecture);

// Tensors of no block that are the head's in a donor that is in this state: in a whole model they are the trunk's.
std::span<const std::string_view> own_root_tensors(std::string_view architecture, HeadState state);

// What is known of `{architecture}.key`; null if nothing is.
const LayerArray* find_layer_array(std::string_view architecture, std::string_view key);

// Whether `name`, after "blk.N.", is one of the alternatives of an entry of `names`.
bool is_listed(std::span<const std::string_view> names, std::string_view name);

}  // namespace mtpgraft
