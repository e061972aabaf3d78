// What PLAN.json of `mtpgraft release` says, and the grafts that it amounts to. All of it is pure: what directories
// hold is asked of a function.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/job.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// What to do about a file that is no plan.
inline constexpr const char* kPlanHint =
    R"(a plan is a JSON file, {"schema_version": 1, "grafts": [{"target": ..., "donor": ...}]}; one graft needs none)";

// In the place of a donor: that of GraftRequest::from_base. A file of that name is "./from-base".
inline constexpr std::string_view kFromBase = "from-base";

// One of graft_options(); `value` is empty for a flag.
struct ReleaseOption {
  std::string name;
  std::string value;
  std::string pointer;  // where it stands in PLAN.json, be it in the defaults
};

struct ReleaseEntry {
  std::string pointer;  // where it stands in PLAN.json: "/grafts/1"
  std::string target;   // path or pattern
  std::string donor;    // likewise, or kFromBase
  std::string output;   // a file name; may be empty
  std::vector<ReleaseOption> options;
};

struct ReleasePlan {
  std::string output_directory;  // may be empty
  std::vector<ReleaseEntry> entries;
};

// Reads PLAN.json, with the defaults merged into the entries. Everything that is wrong is added to `problems`, each
// with the JSON pointer of its place. Entries with problems are left out, all of them if the problem concerns all.
ReleasePlan parse_release_plan(std::string_view text, const std::string& path, std::vector<Error>& problems);

// Paths are relative to PLAN.json's directory, unless they are absolute.
struct ReleaseGraft {
  std::string pointer;
  std::string target;
  std::string donor;
  std::string output;  // of several files, the name without their numbers
  std::vector<ReleaseOption> options;
};

// The names in a directory, in any order; none if there is no such directory. "" is PLAN.json's.
using ListDirectory = std::function<Result<std::vector<std::string>>(const std::string& directory)>;

// The grafts of a plan, in its order and those of a pattern by name. Adds to `problems` and leaves out as
// parse_release_plan() does.
std::vector<ReleaseGraft> resolve_release(const ReleasePlan& plan, const std::string& path, const ListDirectory& list,
                                          std::vector<Error>& problems);

// The graft as a request, from where PLAN.json's directory is `directory`: "" if it is the current one. Options that
// cannot be are added to `problems`, each with its pointer, and left out.
GraftRequest to_request(const ReleaseGraft& graft, const std::string& directory, const std::string& plan_path,
                        std::vector<Error>& problems);

// What `mtpgraft` is called with to make that request alone: options in the plan's order and spelling.
std::vector<std::string> to_arguments(const ReleaseGraft& graft, const std::string& directory);

// `path`, which is relative to `directory`, unless it is absolute.
std::string path_in(const std::string& directory, const std::string& path);

}  // namespace mtpgraft
