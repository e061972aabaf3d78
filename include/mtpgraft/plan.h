// The plan of a graft: which bytes the output is made of, and what that means in keys and tensors. Making it is pure;
// executing it (execute.h), printing it and verifying a file against it (verify.h) are separate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mtpgraft/gguf.h"
#include "mtpgraft/head.h"

namespace mtpgraft {

enum class Source : std::uint8_t { kTarget, kDonor };

struct Literal {
  std::vector<std::byte> bytes;
};
struct Copy {
  Source source;
  std::uint64_t offset;  // in the source file
  std::uint64_t length;
};
struct Zero {
  std::uint64_t length;
};
using Segment = std::variant<Literal, Copy, Zero>;

std::uint64_t segment_length(const Segment& segment);

// What a byte range of the output is, for messages. Regions tile the output as segments do.
struct Region {
  enum class Kind : std::uint8_t {
    kCounts,
    kKey,
    kTensorInfo,
    kTensorData,
    kPadding,
    kHeader,  // all before the tensor infos, of a file that is copied as a whole
  };
  Kind kind;
  std::string name;  // key or tensor; of padding the tensor before it; empty for what belongs to none
  std::uint64_t offset;
  std::uint64_t length;
};

struct KeyChange {
  std::string key;
  std::string type;
  std::string from;  // empty if the key is new
  std::string to;
};

struct HeadTensor {
  std::string name;  // in the output
  std::string donor_name;
  TensorInfo info;  // as in the output: renamed, new offset, type after conversion
  std::uint32_t donor_type = 0;
};

// The bytes of one output file.
struct FilePlan {
  std::vector<Segment> segments;  // tile [0, output_size)
  std::vector<Region> regions;    // tile [0, output_size)
  std::uint64_t output_size = 0;
  std::uint64_t data_offset = 0;
  std::uint64_t tensor_count = 0;
};

// A further file of an output that is a split model.
struct ShardPlan : FilePlan {
  std::optional<std::size_t> kept;  // the target's shard that it is, unchanged; nothing: the head's own
};

// The first file of an output, or the only one, and those behind it.
struct SetPlan : FilePlan {
  std::vector<ShardPlan> shards;

  // All of the output, in order.
  [[nodiscard]] std::vector<const FilePlan*> files() const;
  [[nodiscard]] std::uint64_t bytes_of_files() const;
  [[nodiscard]] std::uint64_t tensors_of_files() const;
};

struct Plan : SetPlan {
  std::vector<KeyChange> key_changes;
  std::uint64_t first_head_block = 0;
  std::uint64_t head_block_count = 0;
  std::uint64_t head_bytes = 0;          // without padding
  std::vector<HeadTensor> head_tensors;  // in output order
  std::vector<std::string> removed_tensors;
  std::vector<Warning> warnings;
};

// What the record calls the program and the files, so that equal inputs give equal bytes under any name, and how the
// donor was read.
struct RecordLabels {
  std::string tool;         // "mtpgraft 0.1.0"
  std::string target_file;  // name without directory
  std::string donor_file;
  std::string head_type{};           // "Q8_0" if the head was converted, else empty
  std::string ggml_version{};        // of the ggml that converted it, if one did
  std::optional<int> norm_offset{};  // what the user said is to be added to norms
};

// Those of the file's record; nothing if it has none that can be read.
std::optional<RecordLabels> find_record_labels(const GgufFile& file);

// A change of a key that the user asks for.
struct KeyEdit {
  std::string key;
  std::optional<GgufValue> value;  // nothing: the key is taken out
};

// Reads "KEY=TYPE:VALUE": TYPE is u32, f32, bool, str, ..., or one with [] and then VALUE is a JSON array. Fails with
// kUsage.
Result<KeyEdit> parse_key_edit(std::string_view text);

// What makes llama.cpp run the model at `factor` times the context that it was trained with, by YaRN. Fails with
// kIncompatible if the target does not tell its context length.
Result<std::vector<KeyEdit>> make_yarn_edits(const GgufFile& target, double factor);

// How an output is spread over files.
enum class Split : std::uint8_t {
  kAsTarget,  // a split target makes a split output, in which the head is a file of its own
  kMerge,     // into one file
  kHead,      // trunk and head into files of their own
};

struct GraftOptions {
  bool replace = false;                   // take out a head that the target has
  std::optional<RecordLabels> labels;     // nothing: no record, and no padding for block cloning
  std::optional<Digest> target_header{};  // what digest_header() says, for the record
  std::vector<KeyEdit> edits{};           // applied last
  Split split = Split::kAsTarget;
};

// The digest of everything before the tensor data, by which `strip` proves that it restored the target.
Result<Digest> digest_header(const ReadableFile& file, const GgufFile& gguf);

// Fails with kIncompatible (or kUnsupported) if the result would not load and draft; its details are all the
// reasons.
Result<Plan> make_graft_plan(const GgufFile& target, const GgufFile& donor, const HeadData& head_data,
                             const GraftOptions& options);

// "X-Q6_K.gguf" -> "X-MTP-Q6_K.gguf", in the same directory; "X.gguf" -> "X-MTP.gguf". A name that has
// MTP as a word stays as it is. Of several files, the first: "X-Q6_K-00001-of-00003.gguf" ->
// "X-MTP-Q6_K-00001-of-00004.gguf".
std::string default_output_path(const std::string& target_path, std::size_t file_count = 1);

// "Q6_K" of "X-MTP-Q6_K.gguf" and of a shard's name; empty if the name does not tell.
std::string quantisation_in_name(const std::string& path);

// The first of `file_count` files: "X.gguf" -> "X-00001-of-00004.gguf". A name that is such a one, or is to be the only
// one, stays as it is.
std::string first_output_path(const std::string& path, std::size_t file_count);

}  // namespace mtpgraft
