// The work itself: a head into a model (graft), into a file of its own (extract), or out of a model (strip).
//
//     FileSystem ── prepare_*(request) ──▶ Job ── check(job) ──▶ what it needs ── write(job) ──▶ all files, or none
//
// A request says what is wanted, with the names of files. A job has everything open and planned, and nothing is
// written yet: its plan and its warnings can be shown first. graft(), extract() and strip() do the three at once.
// docs/library.md shows how.
//
//     const auto files = make_file_system();
//     const auto job = graft({.target = "Model-Q4_K_M.gguf", .donor = {.path = "mtp-Base-Q8_0.gguf"}}, {*files});
//
// Requests and contexts are only read, and not kept after the call. A job owns all that it has, but the file system of
// its context must outlive it. One job is used by one thread at a time; different jobs are independent. Paths name
// files of the context's file system; that of a donor may name one on a server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mtpgraft/base_models.h"
#include "mtpgraft/context.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/execute.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/remote.h"
#include "mtpgraft/strip.h"
#include "mtpgraft/verify.h"

namespace mtpgraft {

// How unchanged files of a split target get into a split output.
enum class Link : std::uint8_t {
  kAuto,      // a hard link, else a clone, else a copy
  kHard,      // fails with kIo where it is impossible, as do the next two
  kClone,     // a file of its own that shares the target's blocks on disk
  kSymbolic,  // the output breaks when the target is moved or removed
  kCopy,
};

struct OutputRequest {
  // Names the file. For a split model give the name of its first file, or the name without the numbers of files. Where
  // it is empty, graft and extract name the output after the model (output_name.h); strip fails with kUsage.
  std::string path{};
  Overwrite overwrite = Overwrite::kNo;
  CopyMethod copy = CopyMethod::kAuto;
  Link link = Link::kAuto;
  Durability durability = Durability::kSync;
  // Changes the target itself; `path`, `overwrite`, `copy` and `link` are then not used for it, and what InPlaceMethod
  // calls kInsert syncs always. Not for extract (kUsage), nor for split models (kRefused).
  bool in_place = false;
  std::string checksums{};  // names the list of the output's XXH128 checksums; empty: none is made
};

struct GraftRequest {
  std::string target;  // a GGUF; for a split model its first file
  DonorRequest donor;
  bool from_base = false;  // takes the head of the model that the target names as its base; then `donor` has no path
  OutputRequest output{};
  Split split = Split::kAsTarget;
  std::vector<KeyEdit> edits{};         // applied in this order; texts of files are read when it is prepared
  std::optional<double> yarn_factor{};  // context length to trained length, above 1; applied before `edits`
  bool replace = false;                 // takes out a head that the target has; without it such a target is refused
  bool strict = false;                  // makes every warning an error (kIncompatible)
  bool no_record = false;               // leaves out the record, without which strip cannot restore the target
  bool source_digests = false;          // complete() reads target and donor whole for their SHA-256
  // Names program and files in the record as an earlier graft did, so that this one can equal it byte for byte.
  // Nothing: this version, and the files' own names.
  std::optional<RecordLabels> labels{};
};

// The donor of a request with `from_base`.
struct FromBase {
  enum class Place : std::uint8_t {
    kBeside,    // an mtp-*.gguf in the target's folder
    kHubCache,  // the Hugging Face cache of this machine
    kHub,
  };
  std::string path;  // of the donor; on the hub with the commit
  Place place = Place::kBeside;
  BaseModel base;                   // that the target names
  std::vector<Warning> warnings{};  // from the way to the donor; among those of the job, too
};

struct ExtractRequest {
  DonorRequest donor;
  std::string target{};  // renumbers the head for this model; empty: it keeps the donor's numbers
  OutputRequest output{};
  ExtractForm form = ExtractForm::kSidecar;
};

struct StripRequest {
  std::string file;  // a GGUF; for a split model its first file
  OutputRequest output;
};

struct VerifyRequest {
  std::string file;      // a GGUF; for a split model its first file
  std::string target{};  // empty: the file is checked on its own, and `donor` is not used
  DonorRequest donor{};
  SharedExtents shared = SharedExtents::kRead;
  bool allow_edits = false;   // keys that the record says were set or unset on purpose are no failure
  bool tensors_only = false;  // compares tensors by name, and nothing else
};

// The files that a plan copies from. Both may be the same file.
struct Sources {
  std::shared_ptr<const ReadableFile> target;
  std::shared_ptr<const ReadableFile> donor;
  std::vector<std::shared_ptr<const ReadableFile>> texts{};  // of edits; only so that no output takes their place
};

// A file that the bytes of a target or a donor come from.
struct SourceFile {
  std::string path;
  std::uint64_t bytes = 0;  // its size
  // In hexadecimal. Of a file on a server it is the hub's word, which nobody has checked; empty if it does not tell.
  std::string sha256{};
};

// The files of a model, of a split one all; of a checkpoint those that the head comes from.
struct SourceDigests {
  std::vector<SourceFile> target;
  std::vector<SourceFile> donor;
};

// One file of an output.
struct OutputFile {
  enum class Way : std::uint8_t { kWritten, kHardLinked, kSymlinked, kCloned, kCopied };
  std::string path;
  Way way;                  // all but kWritten: the target's file as it is
  std::uint64_t bytes = 0;  // its size

  [[nodiscard]] bool is_link() const { return way == Way::kHardLinked || way == Way::kSymlinked; }
};

// Tells how the bytes of an output came to be. Counts bytes.
struct CopyTotals {
  std::uint64_t cloned = 0;     // share blocks on disk with the target or the donor
  std::uint64_t kept = 0;       // were in the file that was changed in place
  std::uint64_t linked = 0;     // in files of the target that only got another name
  std::uint64_t copied = 0;     // all others, copied or made, but not holes
  std::uint64_t allocated = 0;  // storage taken for the output alone, as the file system tells it
};

// Tells how an output will be written, and then was. check() fills in all up to `in_place`, write() the rest.
struct Output {
  std::string path;                       // the file, or the first of several
  bool is_checked = false;                // nothing stands against writing it; write() asks for this and takes it back
  std::vector<OutputFile> files;          // in order
  std::uint64_t needed_bytes = 0;         // estimate of the storage it takes; holes of the target stay holes
  std::uint64_t free_bytes = 0;           // for an unprivileged user, where the output goes
  std::optional<InPlaceMethod> in_place;  // nothing: a new file is written
  std::vector<CopiedSegment> copies;      // do not follow their `file` pointers: write() has closed the files
  CopyTotals totals;
  std::optional<double> seconds;  // that write() took; nothing: it has not written the output

  // Counts the bytes that the progress of Phase::kWrite goes up to: all files but links.
  [[nodiscard]] std::uint64_t bytes_to_write() const;
};

// Tells what comes over the network for a donor.
struct Fetch {
  std::vector<RemoteFetch> files;                 // by path; what is still to be fetched when the job is prepared
  std::optional<std::uint64_t> repository_bytes;  // size of all files of its repository; nothing if it is in none
  std::uint64_t received_bytes = 0;               // so far, headers of models included
};

// Everything is open and planned. Read its fields; only the functions below change them.
struct Job {
  OutputRequest request;
  GgufFile target;                      // what is copied from: strip's file; for an extract without target the donor
  std::optional<Donor> donor;           // nothing for strip; its `file` is closed by write()
  std::optional<FromBase> from_base{};  // where the donor was found, if the request did not name it
  Plan plan;
  GraftOptions options;                       // what a graft's `plan` was made with
  std::optional<ExtractForm> extract_form{};  // prepare_extract() made it
  bool is_for_target = true;                  // false: an extract that keeps the donor's numbers
  bool strict = false;                        // warnings are errors
  bool digests_sources = false;               // complete() fills in `source_digests`
  std::vector<TrunkNorm> trunk_norms{};       // of the target
  std::vector<Warning> warnings;
  Output output;
  std::optional<Fetch> fetch;                     // for a donor on a server
  std::optional<Digest> head_digest;              // of the donor's head, after complete()
  std::optional<SourceDigests> source_digests{};  // before anything was changed; nothing: not asked for, or not yet
  bool restores_original = false;  // strip's output has the size and the header that the record describes
  Sources sources;                 // closed by write()
};

// Open the files, plan, and find all that can be said before tensor data are read. Write nothing. A donor on a server
// is asked now, and its header comes. All fail with
//   kUsage         an empty name, an option that makes no sense here (`Error::field` says which), or a donor that is to
//                  be named: `Error::donors` has those that fit
//   kMalformed     a damaged file
//   kUnsupported   a kind of file, head or type that is not handled
//   kIncompatible  target and donor that do not fit, all reasons in `Error::details`; with `strict` any warning
//   kRefused       a file that cannot be changed in place
//   kIo            what the system or the network refuses
//   kInterrupted   a Progress that asked to stop
Result<Job> prepare_graft(const GraftRequest& request, const Context& context);
Result<Job> prepare_extract(const ExtractRequest& request, const Context& context);
Result<Job> prepare_strip(const StripRequest& request, const Context& context);

// Finds what stands against writing the job to its place, the space on disk included, and fills in `job.output`; where
// it fails, as far as it came. Writes nothing that stays. May be called again. Fails with kRefused if the output exists
// or is an input, with kIo for want of space and for what the system refuses, and with kUsage if the job was written
// already.
Status check(Job& job, const Context& context);

// Checks the same but for the space.
Status check_output(Job& job, const Context& context);

// Reads the head of a graft or an extract: for its digest, and for what is wrong with its values. Plans again with
// them, so that there may be more `warnings` afterwards. write() does it where it was not done, before it writes
// anything: a plan of a graft with a record cannot be executed before. Reads the digests of the sources, too, if they
// are asked for. Does nothing for other jobs, and nothing the second time. Fails with kIncompatible if the head cannot
// draft, with `strict` also for any warning.
Status complete(Job& job, const Context& context);

// Is called for each file of the output but links, by its index, when its bytes begin. What it returns is shown these
// bytes from the first to the last, in the thread that called write(). It may be empty, as may be what it returns.
using Observers = std::function<ByteSink(std::size_t file)>;

// Writes a job that check() or check_output() found nothing against: all files get their names, or none. Fails as
// complete() does, too. Then closes
// what the job has open; its plan and `output` can still be read. Checksums that were asked for are written too,
// without reading the output again where all its bytes come through here; then `observers` is not called.
// Fails with kUsage if the job is not checked. After another failure nothing is written, but for checksums that failed
// when the output was complete (`Error::details` says so); the job can be checked and written again if its files are
// still open (`sources`), or else is to be prepared again.
Status write(Job& job, const Context& context, const Observers& observers = {});

// Prepare, check and write. They fail as these do, and then have written nothing.
Result<Job> graft(const GraftRequest& request, const Context& context);
Result<Job> extract(const ExtractRequest& request, const Context& context);
Result<Job> strip(const StripRequest& request, const Context& context);

// Compares a graft with what target and donor make of it, as its record says, or checks it on its own (verify.h). What
// differs is no error but a finding of the report. Fails as prepare_graft() does.
Result<VerifyReport> verify(const VerifyRequest& request, const Context& context);

struct ExchangedNames {
  VerifyRequest right;      // with the names in the places where they belong
  bool is_certain = false;  // false: it can be told only where verify() finds differences
};

// Whether file, target and donor were named in each other's places, as their headers and the graft's record tell.
// Nothing if they are what they are named as, or if it cannot be told. Asks no server. Fails with kIo if a file that
// can be opened cannot be read.
Result<std::optional<ExchangedNames>> find_exchanged(const VerifyRequest& request, const Context& context);

}  // namespace mtpgraft
