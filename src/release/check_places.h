// What stands in the way of the names that a release is to write.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/release.h"
#include "release/release_job.h"

namespace mtpgraft {

struct ListFindings {
  std::vector<std::string> paths;  // of the lists that are to be written
  std::vector<Error> problems;
  std::vector<Warning> warnings;
};

// An old list is replaced; what only has the name of one is not, nor one with files that have left the plan, unless
// `overwrite` allows it. `directory` is that of SHA256SUMS and release.json. Of a plan that is not whole (`all_planned`
// is false) nobody can tell what has left it.
ListFindings check_lists(const std::vector<ReleasedGraft>& grafts, const std::string& directory, bool all_planned,
                         Overwrite overwrite, FileSystem& files);

// No file is to be written that is an input (`plan_stamps` are more of them), or that is to be written twice.
std::vector<Error> check_names(const std::vector<ReleaseJob>& jobs, const std::vector<std::string>& lists,
                               const std::vector<FileStamp>& plan_stamps, FileSystem& files);

}  // namespace mtpgraft
