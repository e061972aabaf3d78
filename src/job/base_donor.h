// The donor of a graft: what the request names, or the model that the target names as its base.
#pragma once

#include "mtpgraft/job.h"

namespace mtpgraft {

// Opens the donor into `job`, whose target has been read. Looks for a base model beside the target, in the Hugging Face
// cache and on the hub, in this order.
Status open_graft_donor(const GraftRequest& request, const Context& context, Job& job);

}  // namespace mtpgraft
