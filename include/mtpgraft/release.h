// All the grafts that a plan lists (docs/releases.md), and the lists beside them: checksums, and what was made of what.
// It looks at directories of this machine itself, so the context's files are those of make_file_system().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/context.h"
#include "mtpgraft/job.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/result.h"
#include "mtpgraft/summary.h"

namespace mtpgraft {

struct ReleaseRequest {
  std::string plan;                      // PLAN.json; paths in it are relative to its directory
  std::size_t jobs = 1;                  // grafts that are written at once, each in a thread of its own; 0 is 1
  bool dry_run = false;                  // check all, write nothing
  Overwrite overwrite = Overwrite::kNo;  // kYes: replace outputs and lists that are not what the plan makes
  Durability durability = Durability::kSync;
  // The ggml for all grafts (see ConvertOptions). A plan may name one only if it is this one, or that of MTPGRAFT_GGML.
  std::string ggml_path{};
};

struct ReleasedFile {
  std::string path;
  std::string name;         // relative to where the lists are
  std::uint64_t bytes = 0;  // its size
  std::string sha256;       // in hexadecimal; empty in a dry run
};

enum class ReleaseState : std::uint8_t {
  kToWrite,
  kPresent,  // something of that name is there; a dry run does not look into it
  kWritten,
  kSkipped,  // it was there, every byte as planned
};

struct ReleasedModel {
  std::string path;
  std::string name;         // relative to PLAN.json, never absolute
  std::uint64_t bytes = 0;  // all its files
  std::string commit{};     // of a donor in a repository of the hub; else empty
  // With their SHA-256, in a dry run only as far as the hub tells it; empty unless digests of sources are asked for.
  std::vector<SourceFile> files{};
};

struct ReleasedGraft {
  ReleasedModel target;
  ReleasedModel donor;
  std::string output;                  // path of the file, or of the first of several
  std::vector<std::string> arguments;  // make `mtpgraft` do this graft alone
  std::string command;                 // the same as one line, for the directory of PLAN.json
  ReleaseState state = ReleaseState::kToWrite;
  bool has_other_sizes = false;  // some file that is there has another size than planned
  std::vector<ReleasedFile> files;
  std::string quant;  // "Q6_K", as the target's name tells, else its largest type
  std::vector<KeyChange> key_changes;
  std::uint64_t first_head_block = 0;
  std::uint64_t head_block_count = 0;
  std::uint64_t head_tensor_count = 0;
  std::uint64_t head_bytes = 0;  // without padding
  std::vector<TypeShare> head_types;
  std::string head_digest;  // XXH128 in hexadecimal; empty in a dry run
  std::vector<Warning> warnings;
  std::string record;     // its text; empty without one, and in a dry run
  std::string sums_name;  // names the file of the XXH128 checksums

  // Adds up the sizes of `files`.
  [[nodiscard]] std::uint64_t bytes() const;
};

struct ReleaseReport {
  std::string plan_path;
  bool dry_run = false;
  std::vector<ReleasedGraft> grafts;
  std::uint64_t needed_bytes = 0;  // storage that the outputs take
  std::vector<std::string> lists;  // paths of what is written beside the outputs
  std::vector<Error> problems;     // the worst first: the system's, those of files, refusals; empty: all is done
  bool wrote = false;              // writing of grafts had begun
};

// Who is told while it goes on; all may be empty, and must not throw. Called by one thread at a time, not always the
// caller's. What they are given is valid during the call only.
struct ReleaseObserver {
  std::function<void(const Warning& warning)> warn{};  // its message names the file
  // A graft is checked, compared or written: which of how many of the plan, from 1, and the path of its output.
  std::function<void(std::size_t number, std::size_t count, const std::string& output)> begun{};
  std::function<void(const ReleasedGraft& graft)> finished{};  // written, skipped, or found to be written again
};

// Checks all, compares what is there, writes what is not, then the lists. What goes wrong with single grafts is in the
// report's problems, not an error. Fails with kIo or kMalformed if the plan cannot be read, with kUsage if it has no
// name, with kInterrupted if a Progress asks to stop; run again it goes on.
Result<ReleaseReport> release(const ReleaseRequest& request, const Context& context,
                              const ReleaseObserver& observer = {});

inline constexpr std::string_view kReleaseFileName = "release.json";
inline constexpr std::string_view kSha256FileName = "SHA256SUMS";

// Returns the command with which llama.cpp drafts with a released graft.
std::string llama_server_line(const ReleasedGraft& graft);

}  // namespace mtpgraft
