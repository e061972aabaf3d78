// Reports for people. Every string that comes from a file is made printable.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/job.h"
#include "mtpgraft/result.h"
#include "report/model.h"
#include "report/remedy.h"

namespace mtpgraft::report {

// "written", "hard-linked", ...
std::string_view way_name(OutputFile::Way way);

// "mtpgraft: FILE: message (at byte N)" and, on a second line, the hint. No newline at the end.
std::string describe_error(const Error& error, Front front = Front::kCommandLine);

// Each file, and several also in a table.
std::string describe_inspected(const std::vector<InspectedFile>& files);

// The plan of a job that is not written, or what was done. With `details` every tensor is listed.
std::string describe_graft(const GraftRequest& request, const Job& job, bool details);

// As describe_graft().
std::string describe_extract(const ExtractRequest& request, const Job& job, bool details);
std::string describe_strip(const StripRequest& request, const Job& job, bool details);

// What there is now, whatever becomes of the answer: "'X.gguf' is complete"; empty if nothing was written.
std::string describe_completion(const Output& output);

std::string describe_verification(const std::string& path, const VerifyReport& report, bool details);

// The command line that asks for it.
std::string verify_command(const VerifyRequest& request);

// "FILE and --target are exchanged"; `right` has the names where they belong.
std::string describe_exchange(const VerifyRequest& request, const VerifyRequest& right);

std::string describe_recovery(const std::string& path, Recovery recovery);

// A table of what is there, or what clearing it has freed.
std::string describe_cache(const CacheReport& report);

// One line per tensor as coreutils print them; only failures if `quiet`.
std::string describe_check(const ListReport& report, bool quiet);

}  // namespace mtpgraft::report
