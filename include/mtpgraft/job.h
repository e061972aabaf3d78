// The work itself: a head into a model (graft), into a file of its own (extract), or out of a model (strip).
//
//     FileSystem ── prepare_*(request) ──▶ Job ── check(job) ──▶ what it needs ── write(job) ──▶ all files, or none
//
// A request says what is wanted, with the names of files. A job has everything open and planned, and nothing is
// written yet: its plan and its warnings can be shown first. graft(), extract() and strip() do the three at once.
//
//     const auto files = make_file_system();
//     const auto job = graft({.target = "Model-Q4_K_M.gguf", .donor = {.path = "mtp-Base-Q8_0.gguf"}}, {*files});
//
// Nothing here is safe to call for one job from two threads; different jobs are independent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mtpgraft/context.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/execute.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/remote.h"
#include "mtpgraft/strip.h"
#include "mtpgraft/verify.h"

namespace mtpgraft {

// How the target's files that stay as they are get into an output that is a split model.
enum class Link : std::uint8_t {
  kAuto,  // a hard link, else a clone, else a copy
  kHard,
  kClone,
  kSymbolic,
  kCopy,
};

struct OutputRequest {
  // Of a split model the first file, or the name without the numbers of files. Empty: graft names it after the target
  // (output_name.h); extract and strip need a name.
  std::string path{};
  Overwrite overwrite = Overwrite::kNo;
  CopyMethod copy = CopyMethod::kAuto;
  Link link = Link::kAuto;
  Durability durability = Durability::kSync;
  bool in_place = false;    // change the target itself; `path`, `copy` and `durability` are then not used
  std::string checksums{};  // where a list of the output's XXH128 checksums goes; empty: none
};

struct GraftRequest {
  std::string target;  // of a split model the first file
  DonorRequest donor;
  OutputRequest output{};
  Split split = Split::kAsTarget;
  std::vector<KeyEdit> edits{};         // in this order
  std::optional<double> yarn_factor{};  // above 1; applied before `edits`
  bool replace = false;                 // put the head in the place of one that the target has
  bool strict = false;                  // refuse what is otherwise warned about
  bool no_record = false;               // leave out the record, without which strip cannot restore the target
  // What the record is to call program and files, so that the graft can equal an earlier one; nothing: this version,
  // and the files' own names.
  std::optional<RecordLabels> labels{};
};

struct ExtractRequest {
  DonorRequest donor;
  std::string target{};  // the head is renumbered for this model; may be empty
  OutputRequest output;
  ExtractForm form = ExtractForm::kSidecar;
};

struct StripRequest {
  std::string file;
  OutputRequest output;
};

struct VerifyRequest {
  std::string file;      // of a split model the first file
  std::string target{};  // empty: the file is checked on its own, and `donor` is not used
  DonorRequest donor{};
  SharedExtents shared = SharedExtents::kRead;
};

// What a plan copies from. Both may be the same file.
struct Sources {
  std::shared_ptr<const ReadableFile> target;
  std::shared_ptr<const ReadableFile> donor;
};

// One file of an output.
struct OutputFile {
  enum class Way : std::uint8_t { kWritten, kHardLinked, kSymlinked, kCloned, kCopied };
  std::string path;
  Way way;  // all but kWritten: the target's file as it is
  std::uint64_t bytes = 0;

  [[nodiscard]] bool is_link() const { return way == Way::kHardLinked || way == Way::kSymlinked; }
};

// How the bytes of an output came to be, in bytes.
struct CopyTotals {
  std::uint64_t cloned = 0;     // share the target's or the donor's blocks
  std::uint64_t kept = 0;       // were in the file that was changed in place
  std::uint64_t linked = 0;     // files of the target that only got another name
  std::uint64_t copied = 0;     // or made: all others but holes
  std::uint64_t allocated = 0;  // of storage
};

// How an output will be written, and then was.
struct Output {
  std::string path;                // of several files, the first
  bool is_checked = false;         // nothing stands against writing it; write() asks for this and takes it back
  std::vector<OutputFile> files;   // from here on after check()
  std::uint64_t needed_bytes = 0;  // of disk; holes of the target stay holes
  std::uint64_t free_bytes = 0;    // where the output goes
  std::optional<InPlaceMethod> in_place;
  std::vector<CopiedSegment> copies;  // from here on after write(); their `file` pointers are no longer valid
  CopyTotals totals;
  std::optional<double> seconds;  // nothing: it is not written

  // Of the files that are not links, which the progress of kWrite counts.
  [[nodiscard]] std::uint64_t bytes_to_write() const;
};

// What comes over the network for a donor.
struct Fetch {
  std::vector<RemoteFetch> files;
  std::optional<std::uint64_t> repository_bytes;  // of all its files; nothing if it is in none
  std::uint64_t received_bytes = 0;               // so far, of headers too
};

struct Job {
  OutputRequest request;
  GgufFile target;             // of strip the file, of an extract without target the donor
  std::optional<Donor> donor;  // not of strip
  Plan plan;
  GraftOptions options;   // that `plan` was made with, of a graft
  bool is_graft = false;  // prepare_graft() made it
  std::vector<Warning> warnings;
  Output output;
  std::optional<Fetch> fetch;         // of a donor on a server
  std::optional<Digest> head_digest;  // of a graft, after complete()
  bool restores_original = false;     // of strip: the output is byte for byte what the record describes
  Sources sources;                    // closed by write()
};

// Open the files, plan, and find all that can be said before tensor data are read. With `strict` warnings are errors.
Result<Job> prepare_graft(const GraftRequest& request, const Context& context);
Result<Job> prepare_extract(const ExtractRequest& request, const Context& context);
Result<Job> prepare_strip(const StripRequest& request, const Context& context);

// Finds what stands against writing the job to its place, the space on disk included, and fills in how it will be
// written (`output`), as far as it comes also where it fails. Writes nothing that stays.
Status check(Job& job, const Context& context);

// The same but for the space.
Status check_output(Job& job, const Context& context);

// Reads the head of a graft for its digest, and plans again with it. The plan of a graft with a record cannot be
// executed before; write() does it where it was not done. Does nothing for other jobs.
Status complete(Job& job, const Context& context);

// Says who is to be shown the bytes of a file of the output, from the first to the last; it may be empty, as may be
// what it returns. Files that are links are not shown.
using Observers = std::function<ByteSink(std::size_t file)>;

// Writes a job that check() or check_output() found nothing against, else kUsage: all files get their names, or none.
// Checksums that were asked for are written too, without reading the output again where all its bytes come through
// here; then `observers` is not called.
Status write(Job& job, const Context& context, const Observers& observers = {});

// Prepares, checks and writes.
Result<Job> graft(const GraftRequest& request, const Context& context);
Result<Job> extract(const ExtractRequest& request, const Context& context);
Result<Job> strip(const StripRequest& request, const Context& context);

// Compares a graft with what target and donor make of it, as its record says, or checks it on its own (verify.h).
Result<VerifyReport> verify(const VerifyRequest& request, const Context& context);

}  // namespace mtpgraft
