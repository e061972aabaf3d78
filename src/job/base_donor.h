// The donor of a graft: what the request names, or the model that the target names as its base.
#pragma once

#include "mtpgraft/job.h"

namespace mtpgraft {

// Opens the donor into `job`, whose target has been read. Looks for a base model beside the target, in the Hugging Face
// cache and on the hub, in this order.
Status open_graft_donor(const GraftRequest& request, const Context& context, Job& job);

// What is wrong with a request that names no donor, and what it could name. Reads the target.
Error explain_no_donor(const std::string& target, const Context& context);

// What is wrong with a donor that the user has not named: with how it came to be one.
Error explain_base_donor(Error error, const BaseModel& base);

}  // namespace mtpgraft
