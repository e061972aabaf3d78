// One graft of a release on its way. Files are open only while it is worked on, however many grafts there are.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mtpgraft/job.h"
#include "mtpgraft/release.h"
#include "release/release_plan.h"

namespace mtpgraft {

// Directories; empty: the current one.
struct ReleasePlaces {
  std::string plan;     // that of PLAN.json
  std::string outputs;  // output_directory; empty: each output stands beside its target
  std::string lists;    // of checksums
};

struct ReleaseSpace {
  std::string path;  // of what is to be written
  std::uint64_t needed_bytes = 0;
  std::uint64_t free_bytes = 0;
};

struct ReleaseJob {
  ReleaseGraft graft;
  GraftRequest request{};

  ReleasedGraft released{};
  std::vector<Warning> base_warnings{};  // from when the donor was looked for, if the plan has kFromBase
  std::vector<FileStamp> inputs{};       // in the state in which they were checked
  // For each file of the output, the target's file that it may be a link to.
  std::vector<std::optional<FileStamp>> kept{};
  std::optional<ReleaseSpace> space{};            // if nothing of the output is there
  std::string sums{};                             // text of its list of XXH128 checksums
  Permissions permissions = kNewFilePermissions;  // of the output
  std::optional<Error> problem{};
};

// A name, be it of a symbolic link to nothing.
bool exists(const std::string& path);

// The names in a directory; none if there is no such directory.
Result<std::vector<std::string>> list_directory(const std::string& directory);

void note_input(const ReadableFile& file, std::vector<FileStamp>& stamps);

// Of a graft whose target or donor is not what was checked.
Error other_input(const ReleaseJob& job);

// All that can be checked without reading tensor data.
Status check_job(ReleaseJob& job, const ReleasePlaces& places, const Progress& progress, const Context& context);

// Looks at the head's values, for which there may be more warnings then.
Status read_head(ReleaseJob& job, const Progress& progress, const Context& context);

// Whether an output that is there is what would be written, every byte of it; an error if it is not and
// may not be replaced. One of which files are missing is to be written again.
Status compare_job(ReleaseJob& job, const Progress& progress, FileSystem& files);

Status write_job(ReleaseJob& job, const Progress& progress, FileSystem& files);

}  // namespace mtpgraft
