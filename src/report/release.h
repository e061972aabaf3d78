// What `mtpgraft release` prints.
#pragma once

#include <map>
#include <string>

#include "mtpgraft/release.h"

namespace mtpgraft::report {

// What was measured of an output, as Markdown, by its first file's name.
using BenchCards = std::map<std::string, std::string>;

// Empty if nothing was.
std::string card_of(const ReleasedGraft& graft, const BenchCards& cards);

// A table for the model card, with the commands to run a file and to check a download, and what was measured.
std::string describe_release(const ReleaseReport& report, const BenchCards& cards);
std::string describe_release_plan(const ReleaseReport& report);

// For the answer with --json.
std::string release_to_json(const ReleaseReport& report, const BenchCards& cards);

}  // namespace mtpgraft::report
