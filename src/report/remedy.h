// The words for what a library error says in values: which field of a request is at fault, and what would mend it.
#pragma once

#include <string>
#include <string_view>

#include "mtpgraft/result.h"

namespace mtpgraft::report {

// Who is told: somebody who typed a command, or the author of a release plan.
enum class Front { kCommandLine, kPlan };

// "--head-type" on the command line, "head_type" in a plan; empty for kNone.
std::string_view field_name(RequestField field, Front front);

// The error's message, with its field before it on the command line: "--head-type q9: there is no such tensor type". In
// a plan the message is as it is: whoever knows where in the plan the field stands puts that before it.
std::string worded_message(const Error& error, Front front);

// The error's hint, the words for its remedy, or "HINT, or REMEDY"; empty if there is neither.
std::string advice(const Error& error, Front front);

// Stable names for JSON, "replace-head" and "head_type"; empty for kNone.
std::string_view remedy_id(Remedy remedy);
std::string_view field_id(RequestField field);

}  // namespace mtpgraft::report
