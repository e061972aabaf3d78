// Names that were given in each other's places, where a graft cannot be made.
#pragma once

#include "mtpgraft/job.h"

namespace mtpgraft {

// The error, with a hint if the target can only be the donor, and the donor the target.
Error explain_exchange(Error error, const GraftRequest& request, const Context& context);

}  // namespace mtpgraft
