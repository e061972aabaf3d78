#pragma once

#include <string>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/plan.h"

namespace mtpgraft {

struct ExecuteOptions {
  // kClone fails with kIo where the body cannot be cloned.
  CopyMethod method = CopyMethod::kAuto;
  // If set, is shown every byte of the output from the first to the last.
  ByteSink observe;
};

// How a Copy segment, or a part of it that stands in a file of its own, got into the output.
struct CopiedSegment {
  Source source;
  const ReadableFile* file;
  CopyRange range;  // source_offset is in `file`
  std::uint64_t cloned_bytes = 0;
  CopyCounts copied;           // the rest
  std::string clone_obstacle;  // why nothing of it was cloned; empty if it was not tried or is too short
};

// What the plan reads of the donor.
std::vector<ByteRange> donor_ranges(const FilePlan& plan);
std::vector<ByteRange> donor_ranges(const Plan& plan);

// The target's tensor data and where they are in the output; where --replace takes out a head, up to that. Empty if the
// output's data begin with something else.
CopyRange plan_body(const FilePlan& plan);

// The error for a target whose tensor data cannot be cloned where nothing else is allowed.
Error clone_refusal(const std::string& target_path, const std::string& reason);

// Writes the plan's bytes to `output`, which the caller then commits. What can be cloned is cloned first, then storage
// is taken for the rest, then it is copied, in ascending order. Fails with kIo if an input changed meanwhile.
Result<std::vector<CopiedSegment>> execute_plan(const FilePlan& plan, const ReadableFile& target,
                                                const ReadableFile& donor, StagedFile& output,
                                                const ExecuteOptions& options, const Progress& progress);

}  // namespace mtpgraft
