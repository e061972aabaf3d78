// The plan of an output: which bytes its files are made of, and what that means in keys and tensors. Making it is pure:
// it reads no file and keeps no pointer to what it was made of. Executing it (execute.h), printing it and verifying a
// file against it (verify.h) are separate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mtpgraft/file_plan.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/head.h"
#include "mtpgraft/key_edits.h"

namespace mtpgraft {

// A key that changes, in words for people.
struct KeyChange {
  std::string key;
  std::string type;  // "u32", "string", ...
  std::string from;  // empty if the key is new
  std::string to;
};

struct HeadTensor {
  std::string name;  // in the output
  std::string donor_name;
  TensorInfo info;               // as in the output: renamed, new offset, type after conversion
  std::uint32_t donor_type = 0;  // ggml type id
};

// The target that a graft was made of, as the graft's record tells it.
struct Original {
  std::string file;                     // name without directory
  std::uint64_t size = 0;               // bytes
  std::optional<Digest> header_digest;  // nothing for a target that was merged from several files
};

struct Plan {
  std::vector<FilePlan> files;  // at least one; the first has the keys
  std::vector<KeyChange> key_changes;
  std::vector<EditedKey> edited_keys;  // of these, what target and head alone would not change
  std::uint64_t first_head_block = 0;
  std::uint64_t head_block_count = 0;
  std::uint64_t head_bytes = 0;          // tensor data without padding
  std::vector<HeadTensor> head_tensors;  // in output order; empty if the plan takes a head out
  std::vector<std::string> removed_tensors;
  std::uint64_t removed_bytes = 0;   // data of the removed tensors, without padding
  std::optional<Original> original;  // for a plan that takes a head out; nothing without a record that fits
  std::vector<Warning> warnings;

  // Count all files.
  [[nodiscard]] std::uint64_t output_size() const;
  [[nodiscard]] std::uint64_t tensor_count() const;
};

// Names the program and the files in the record, so that equal inputs give equal bytes under any name, and says how the
// donor was read.
struct RecordLabels {
  std::string tool;         // "mtpgraft 0.1.0"
  std::string target_file;  // name without directory
  std::string donor_file;
  std::string head_type{};           // "Q8_0" if the head was converted, else empty
  std::string ggml_version{};        // the ggml that converted it; empty if none did
  std::optional<int> norm_offset{};  // 0 or 1, what the user said is to be added to norms
  // A quantised head was converted from F32, and not from BF16, as version 0.1.0 did.
  bool is_rounded_once = false;
  // Where the head has a file of its own, that has the key mtpgraft.padding, if it helps file systems to clone the
  // head.
  bool pads_head_file = true;
  // Of the donor's repository on the hub, 40 hexadecimal digits; empty if it is in none.
  std::string donor_commit{};
};

// Reads the labels of the file's record; nothing if it has none that can be read.
std::optional<RecordLabels> find_record_labels(const GgufFile& file);

// What a graft's record tells of how it was made, and target and donor do not. It proves nothing: who makes a file
// makes its record.
struct GraftClaims {
  RecordLabels labels;
  std::vector<EditedKey> edits;
};

// Reads the claims of the file's record; nothing if it has none that can be read.
std::optional<GraftClaims> find_graft_claims(const GgufFile& file);

// How an output is spread over files.
enum class Split : std::uint8_t {
  kAsTarget,  // a split target makes a split output, in which the head is a file of its own
  kMerge,     // into one file
  kHead,      // trunk and head into files of their own
};

// What the record keeps of the target's header, besides keys.
struct TargetHeader {
  Digest digest;                     // of everything before the tensor data
  std::vector<std::byte> padding{};  // what is there of it, without zeros at its end
};

struct GraftOptions {
  bool replace = false;                         // takes out a head that the target has
  std::optional<RecordLabels> labels;           // nothing: no record, and no padding for block cloning
  std::optional<TargetHeader> target_header{};  // read_target_header() of the target, for the record
  std::vector<KeyEdit> edits{};                 // applied last, in this order
  Split split = Split::kAsTarget;
};

// Plans a graft. `head_data` is what read_head_data() makes of the donor; without its digest the plan has the right
// sizes, but a record that does not fit. Fails with kIncompatible (or kUnsupported) if the result would not load and
// draft, all reasons in `details`; with kUsage for edits that cannot be, or head data of another donor.
Result<Plan> make_graft_plan(const GgufFile& target, const GgufFile& donor, const HeadData& head_data,
                             const GraftOptions& options);

}  // namespace mtpgraft
