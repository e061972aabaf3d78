// What the commands hand to the reports. Reports format; they compute nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cache/range_store.h"
#include "mtpgraft/execute.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/projector.h"
#include "mtpgraft/remote.h"
#include "mtpgraft/strip.h"
#include "mtpgraft/summary.h"
#include "mtpgraft/verify.h"

namespace mtpgraft::report {

struct InspectedFile {
  GgufFile gguf;
  Summary summary;
  std::vector<std::size_t> listed_tensors;  // indices into gguf.tensors
  std::vector<std::size_t> listed_keys;     // indices into gguf.keys
  std::optional<ProjectorFit> mmproj;       // nothing: not asked for
  bool is_checkpoint = false;               // gguf is what its head amounts to
  std::vector<std::string> notes{};         // how it was read, if it is a checkpoint or on a server
  std::string grafted_from{};               // the record's donor file; empty if the file is no graft

  [[nodiscard]] bool is_misfit() const { return mmproj && !mmproj->fits.value_or(false); }
};

// How the bytes of an output came to be, in bytes.
struct CopyTotals {
  std::uint64_t cloned = 0;     // share the target's or the donor's blocks
  std::uint64_t kept = 0;       // were in the file that was changed in place
  std::uint64_t linked = 0;     // files of the target that only got another name
  std::uint64_t copied = 0;     // or made: all others but holes
  std::uint64_t allocated = 0;  // of storage
};

// One file of an output.
struct OutputFile {
  enum class Way { kWritten, kHardLinked, kSymlinked, kCloned, kCopied };
  std::string path;
  Way way;  // all but kWritten: the target's shard as it is
  std::uint64_t bytes = 0;
};

// How an output was written, or would be.
struct Writing {
  std::string path;  // of several files, the first
  std::vector<OutputFile> outputs;
  std::uint64_t needed_bytes = 0;  // of disk; holes of the target stay holes
  std::uint64_t free_bytes = 0;    // where the output goes
  std::optional<InPlaceMethod> in_place;
  std::vector<CopiedSegment> copies;
  CopyTotals totals;
  std::optional<double> seconds;  // nothing: a dry run
};

// What comes over the network for a donor.
struct Fetch {
  std::vector<RemoteFetch> files;
  std::optional<std::uint64_t> repository_bytes;  // of all its files; nothing if it is in none
  std::uint64_t received_bytes = 0;               // so far, of headers too
};

struct GraftReport {
  std::string target_path;
  std::string donor_path;
  std::string pinned_donor_path;  // the same with the commit that was read; empty where there is none
  Summary target;
  Summary donor;
  std::vector<std::string> donor_notes;  // how it was read
  std::optional<Fetch> fetch;            // of a donor on a server
  Plan plan;
  std::vector<Warning> warnings;  // the plan's and those about the output's name
  Writing writing;
  // What verify must be told besides the files, " --ggml DIR"; nothing if it cannot make the plan again.
  std::optional<std::string> verify_flags;
};

struct ExtractReport {
  std::string donor_path;
  Summary donor;
  std::vector<std::string> donor_notes;
  std::optional<Fetch> fetch;
  Plan plan;
  ExtractForm form = ExtractForm::kSidecar;
  std::vector<Warning> warnings;
  Writing writing;
};

struct StripReport {
  std::string path;
  Summary file;
  Plan plan;
  bool restores_original = false;  // the header is the one that the record tells of
  std::vector<Warning> warnings;
  Writing writing;
};

struct CheckLine {
  std::string name;
  CheckResult result;
};

struct CheckReport {
  std::string checkfile;
  std::vector<CheckLine> lines;    // tensors, in the order of the list; the worst result of all algorithms
  std::vector<std::string> extra;  // with --exact, tensors of the file that the list has not
  // Without --exact, those of them that are not the head's: the list may be cut short.
  std::uint64_t unlisted_trunk_tensors = 0;
  std::vector<std::uint64_t> bad_lines;
  std::optional<bool> metadata_equal;   // nothing: not asked for, or not in the list
  std::optional<CheckResult> all_data;  // of the checksums of all data; nothing: none in the list
  bool ok = false;
};

struct CacheReport {
  std::string directory;
  std::vector<CacheEntry> entries;           // what is there, after it was cleared
  std::optional<std::uint64_t> freed_bytes;  // nothing: it was not to be cleared
};

}  // namespace mtpgraft::report
