// What `mtpgraft release` prints.
#pragma once

#include <string>

#include "mtpgraft/release.h"

namespace mtpgraft::report {

// A table for the model card, with the commands to run a file and to check a download.
std::string describe_release(const ReleaseReport& report);
std::string describe_release_plan(const ReleaseReport& report);

// For the answer with --json.
std::string release_to_json(const ReleaseReport& report);

}  // namespace mtpgraft::report
