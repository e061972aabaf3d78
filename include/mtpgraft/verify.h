// Checks of finished files: against the plan that made them, on their own, and against lists of checksums. All read
// with every core and a few MiB per core. Findings are differences (the answer is no); errors mean that no answer was
// found: kIo, kInterrupted, or what reading the models failed with. Progress counts the bytes read of the checked file;
// it may be empty, and is called by one thread at a time, not always the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/split.h"

namespace mtpgraft {

struct Finding {
  std::string message;
  std::optional<std::uint64_t> offset;  // where it begins in the verified file; nothing: it concerns the whole file
  std::string path{};                   // that file, if it is a shard
};

struct VerifyReport {
  std::vector<Finding> findings;   // what concerns the whole file first, then ordered by offset
  std::vector<std::string> notes;  // say what was, or could not be, checked
  std::vector<Warning> warnings;   // of what is no difference, and may be a fault all the same
  bool has_no_record = false;      // so that only a comparison with target and donor can check the head's bytes
  std::uint64_t compared_bytes = 0;
  std::uint64_t shared_bytes = 0;     // not compared: the same blocks on disk as in the source
  std::uint64_t unchecked_bytes = 0;  // tensor data that only target and donor, or checksums, can vouch for
  // What the file's record tells of how it was made, beyond target and donor: how the donor was read, and keys with
  // other values than these give. With target and donor at hand the old values are the target's, else the record's.
  std::optional<RecordLabels> labels{};  // nothing: there is no record that can be read
  std::vector<EditedKey> edits{};
  bool edits_allowed = false;  // the caller's word that they are meant

  // Nothing was found, and no edits but allowed ones.
  [[nodiscard]] bool ok() const { return findings.empty() && (edits_allowed || edits.empty()); }
};

// What to do with ranges whose blocks on disk are those of target or donor.
enum class SharedExtents : std::uint8_t {
  kRead,   // compare them all the same
  kTrust,  // do not read them
};

// Compares every byte of `file` with what the plan makes of target and donor, those that it was made of.
Result<VerifyReport> compare_with_plan(const ReadableFile& file, const FilePlan& plan, const ReadableFile& target,
                                       const ReadableFile& donor, SharedExtents shared, const Progress& progress);

// Makes the plan of target and donor again, with the names and the edits of keys that the file's own record tells of,
// and compares with it; these edits are in the report, and not allowed. Where the file has its keys or tensors at other
// places, they are compared by name. Many differences with one reason are one finding. `fallback` names the files where
// the record cannot be read. A file that is not even GGUF is a finding. `files` are what open_model_files() gives.
// Fails with kIncompatible if the file is a head without trunk, or if target and donor do not fit; with kUsage if there
// are no files.
Result<VerifyReport> verify_graft(const ModelFiles& files, const OpenedModel& target, const OpenedModel& donor,
                                  const RecordLabels& fallback, SharedExtents shared, const Progress& progress);

// Compares the tensors by name, and neither keys nor places: type, shape and data must be those that target and donor
// give them. Fails as verify_graft() does, and with kMalformed if the file is not sound.
Result<VerifyReport> verify_tensors(const ModelFiles& files, const OpenedModel& target, const OpenedModel& donor,
                                    const Progress& progress);

// Checks the structure, the rules for MTP heads that loaders enforce, and the record's digest of the head. A model
// without a head is a finding. Fails with kIncompatible for one shard of several.
Result<VerifyReport> verify_alone(const OpenedModel& model, const Progress& progress);

// Checksum of a tensor's data without padding.
struct Checksum {
  std::string name;  // the tensor's, or one of the two names below
  DigestAlgorithm algorithm;
  std::string hex;  // in lower case
};

// Stands for the counts, keys and tensor infos. Longer than a tensor name can be.
inline constexpr std::string_view kMetadataName =
    "metadata: header, keys and tensor infos, up to the padding of the data";

// Stands for the data of all tensors, one behind the other without padding. Longer than a tensor name can be.
inline constexpr std::string_view kAllDataName =
    "all tensor data: of every tensor in the order of their infos, without padding";

// Returns "XXH128", as lists call it. The text lives as long as the program.
std::string_view tag_of(DigestAlgorithm algorithm);

// Computes the checksum of the metadata, then of each tensor in the order of `gguf`, which is the parse of `file`.
Result<std::vector<Checksum>> compute_checksums(const ReadableFile& file, const GgufFile& gguf,
                                                DigestAlgorithm algorithm, const Progress& progress);

// Computes the checksums of a graft while it is written: what compute_checksums() gives for the finished file with
// kXxh128, without reading it. Used by one thread at a time.
class ChecksumCollector {
 public:
  // Keeps a reference to `plan`, which must outlive the collector unchanged.
  explicit ChecksumCollector(const FilePlan& plan);
  ChecksumCollector(const ChecksumCollector&) = delete;
  ChecksumCollector& operator=(const ChecksumCollector&) = delete;
  ~ChecksumCollector();

  // Takes the next bytes of the output. What is more than the plan has is ignored.
  void observe(std::span<const std::byte> bytes);

  // Call it once, after the last byte.
  std::vector<Checksum> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Makes one line without newline: "XXH128 (name) = hex", "SHA256 (name) = hex"; names with a backslash or a line break
// are escaped and the line then begins with a backslash, as xxhsum and coreutils do.
std::string format_checksum(const Checksum& checksum);

// Makes a list: all lines, each with its newline.
std::string format_checksums(const std::vector<Checksum>& checksums);

struct CheckFile {
  std::vector<Checksum> checksums;
  std::vector<std::uint64_t> bad_lines;  // line numbers from 1
  // A line has 32 digits and names no algorithm. They were taken for XXH128, and can be MD5.
  bool may_be_md5 = false;
};

// Reads lines as format_checksum writes them, "hex  name", and those of llama-gguf-hash: "sha256    hex  PATH:name",
// and "sha256    hex  PATH" for all data, whose checksums get kAllDataName. Empty lines and those that begin with '#'
// are skipped, as is a byte order mark of UTF-8.
CheckFile parse_checkfile(std::string_view text);

// What a checksum of a list turned out to be.
enum class CheckResult : std::uint8_t {
  kOk,
  kDiffers,
  kMissing,        // the file has no such tensor
  kNotComparable,  // it is for all data, and the list names other tensors than the file has, as after a graft
};

// Says what to ask of a list besides that the tensors and files that it names are right.
struct ListOptions {
  bool exact = false;           // no other tensors, and the same keys
  bool strict = false;          // lines that cannot be read are a failure
  bool ignore_missing = false;  // tensors that the file has not are no failure
};

struct ListedTensor {
  std::string name;
  CheckResult result;  // the worst, if the list has several algorithms for it
};

struct ListReport {
  std::vector<ListedTensor> lines;  // in the order of the list
  std::vector<ListedTensor> files;  // whole files of the model, as the list calls them; of several algorithms as above
  std::uint64_t other_files = 0;    // lines that name files which are not of the model
  std::string first_other_file;
  bool may_be_md5 = false;  // see CheckFile
  // With `exact`, tensors of the file that the list has not; also, if it has some files of the model, the others.
  std::vector<std::string> extra;
  // Without `exact`, counts those of them that are not the head's: the list may be cut short.
  std::uint64_t unlisted_trunk_tensors = 0;
  std::vector<std::uint64_t> bad_lines;  // line numbers from 1
  std::optional<bool> metadata_equal;    // nothing: not asked for, or not in the list
  std::optional<CheckResult> all_data;   // for the checksums of all data; nothing: none in the list
  bool ok = false;  // by coreutils' rules: a list with no tensor of the file, nor the file, proves nothing
};

// Compares a file with the text of a list. A line whose name ends in the name of a file of the model ("Model.gguf",
// "./Model.gguf", "dir/Model.gguf") is of that whole file, also if a tensor is called so; of several such lines those
// count that have most of the file's path. Lines of other files are skipped. Fails with kMalformed if no line of it is
// a checksum, with kUnsupported if they are of an algorithm that is not computed; `list_path` is for that message.
Result<ListReport> check_against_list(const OpenedModel& model, std::string_view list, const std::string& list_path,
                                      const ListOptions& options, const Progress& progress);

// Returns the result of each listed checksum, in order. Reads no tensor twice.
Result<std::vector<CheckResult>> check_listed(const ReadableFile& file, const GgufFile& gguf,
                                              const std::vector<Checksum>& listed, const Progress& progress);

}  // namespace mtpgraft
