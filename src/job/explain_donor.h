// What is wrong with the donor of a graft that the user has not named.
#pragma once

#include <string>

#include "mtpgraft/job.h"

namespace mtpgraft {

std::string hub_path(const std::string& repository);

// No other donor would mend it: it is the user's word to stop, or a fault in a field of the request.
bool ends_search(const Error& error);

// A graft puts in a head only in the place of the one that is there.
bool needs_replace(const GgufFile& target, const Head& head);

// check_target() for one without a donor that could be meant as the target.
Status check_lone_target(const GgufFile& target, bool replace);

// What is wrong with a request that names no donor, and what it could name. Reads the target.
Error explain_no_donor(const GraftRequest& request, const Context& context);

// What is wrong with a base model as the donor: with how it came to be one.
Error explain_base_donor(Error error, const BaseModel& base);

// "PATH is not taken: its keys name ...": of a head beside the target.
std::string describe_other_model(const std::string& path, const GgufFile& sidecar);

}  // namespace mtpgraft
