// Writes the bytes that a plan describes. Programs that graft need not call this: write() in job.h does.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/plan.h"

namespace mtpgraft {

struct ExecuteOptions {
  // kClone fails with kIo where the body cannot be cloned.
  CopyMethod method = CopyMethod::kAuto;
  // If set, is shown every byte of the output from the first to the last, in the calling thread.
  ByteSink observe;
};

// Tells how a Copy segment, or a part of it that stands in a file of its own, got into the output.
struct CopiedSegment {
  Source source;
  const ReadableFile* file;        // target, donor, or a file that these are made of; as long as these are open
  CopyRange range;                 // source_offset is in `file`, offset in the output
  std::uint64_t cloned_bytes = 0;  // share their blocks on disk
  CopyCounts copied;               // counts the rest
  std::string clone_obstacle;      // says why nothing was cloned; empty if it was not tried or the range is too short
};

// Returns what the plan reads of target or donor, in the order of the output.
std::vector<ByteRange> copied_ranges(const FilePlan& plan, Source source);
std::vector<ByteRange> copied_ranges(const Plan& plan, Source source);

// Returns where the target's tensor data are, and where in the output. A head that is replaced and what follows it are
// left out. Empty if the output's data begin with something else.
CopyRange plan_body(const FilePlan& plan);

// Makes the error for a target whose tensor data cannot be cloned where nothing else is allowed.
Error clone_refusal(const std::string& target_path, const std::string& reason);

// Writes the plan's bytes to `output`, which was staged with plan.output_size bytes and which the caller then commits.
// Clones what can be cloned, then takes storage for the rest, then copies it in ascending order. `target` and `donor`
// are those that the plan was made of. `progress` may be empty and is called in this thread. Fails with kIo if an input
// changed meanwhile or the system refuses, with kInterrupted if `progress` asks to stop.
Result<std::vector<CopiedSegment>> execute_plan(const FilePlan& plan, const ReadableFile& target,
                                                const ReadableFile& donor, StagedFile& output,
                                                const ExecuteOptions& options, const Progress& progress);

}  // namespace mtpgraft
