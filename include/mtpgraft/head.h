// What a GGUF says about its MTP ("nextn") head, from the header alone. All here is pure but open_donor_model().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mtpgraft/digest.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/split.h"

namespace mtpgraft {

enum class HeadState : std::uint8_t {
  kNone,         // a model without a head
  kPresent,      // a model with a complete head
  kPlaceholder,  // declares a head (block_count counts it) but has none of its tensors
  kSidecar,      // a head with its keys and shared tensors, without trunk
  kTensorsOnly,  // head tensors without the keys that describe a model
  kBroken,       // a head that no loader accepts; `problems` says why
  kShard,        // one file of a split model, which may hold the head; `problems` says what that lacks
};

// Returns "none", "present", "placeholder", ...; the text lives as long as the program.
std::string_view head_state_name(HeadState state);

struct Head {
  HeadState state = HeadState::kNone;
  std::uint64_t first_block = 0;      // N of the first blk.N.* of the head
  std::uint64_t block_count = 0;      // blocks of the head
  std::vector<std::size_t> tensors;   // indices into GgufFile::tensors, in file order
  std::uint64_t bytes = 0;            // data of these tensors, without padding
  std::vector<std::string> problems;  // for people

  [[nodiscard]] bool has_tensors() const { return !tensors.empty(); }
};

// The model's depth, as its hyper-parameters and tensor names tell it.
struct Depth {
  std::optional<std::uint64_t> block_count;           // {arch}.block_count, which counts the head's blocks
  std::optional<std::uint64_t> nextn_predict_layers;  // {arch}.nextn_predict_layers
  std::uint64_t trunk_blocks = 0;                     // block_count without the head; 0 if there is no block_count
};

Depth read_depth(const GgufFile& file);

// Never fails: what is wrong with a head is its state and `problems`.
Head find_head(const GgufFile& file);

// Counts the blocks of the model without `head`, the result of find_head() on it.
std::uint64_t count_trunk_blocks(const GgufFile& file, const Head& head);

// Opens the model that `path` names, by its first shard if it is split. Where other shards are missing, opens that file
// alone if it holds a whole head. Fails as open_model() does.
Result<OpenedModel> open_donor_model(FileSource& files, const std::string& path);

// What a head tensor's values have, and those of no trained head.
struct ValueFlaw {
  enum class Kind : std::uint8_t {
    kZeros,      // nothing but zeros, in a matrix or a norm
    kNotFinite,  // NaN or infinity: of a type with blocks, as a scale
    kZeroRun,    // 64 KiB or more of zero bytes in a matrix: a download that is not complete
  };
  Kind kind;
  std::size_t tensor = 0;    // index into GgufFile::tensors of the donor
  std::uint64_t count = 1;   // of numbers that are not finite, or of runs
  std::uint64_t block = 0;   // the quantised block of the tensor where the first begins; of plain floats the element
  std::uint64_t offset = 0;  // where the first begins, from the start of the tensor's data
  std::uint64_t bytes = 0;   // of the first run
  bool is_nan = false;       // the first number is, and not infinity
  std::string path{};        // the file that the first is in, at `file_offset`; empty: in bytes that are made of others
  std::uint64_t file_offset = 0;
};

// The means of the norms of one name, over the blocks of a trunk.
struct TrunkNorm {
  std::string name;  // after "blk.N."; "output_norm.weight"
  double mean_min = 0;
  double mean_max = 0;
};

// The part of the donor's data that a plan needs. read_head_data() makes it, but for `trunk_norms`.
struct HeadData {
  // For each head tensor, in the donor's order: its values if it has one dimension (norms, biases), else nothing.
  std::vector<std::optional<std::vector<float>>> vectors;
  // Digest of the head's data as the output will hold them, one tensor after the other without padding. Nothing: the
  // head was not read, and neither were its values looked at.
  std::optional<Digest> digest{};
  std::vector<ValueFlaw> flaws{};            // in the order of the tensors, at most one of a kind for each
  std::vector<std::string> unknown_types{};  // whose blocks are not known here: only zeros were looked for
  std::vector<TrunkNorm> trunk_norms{};      // of the model that the head is for, see read_trunk_norms()
};

struct Warning {
  std::string id;       // stable, for programs: "tokenizer-differs"
  std::string message;  // for people
};

// The block of "blk.N.…" and the name after "blk.N."; nothing for other tensors.
struct BlockTensorName {
  std::uint64_t block;
  std::string_view name;  // points into the name that was split
};
std::optional<BlockTensorName> split_block_name(std::string_view tensor_name);

}  // namespace mtpgraft
