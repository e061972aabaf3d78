// What kind of file a head is extracted to.
#pragma once

#include "mtpgraft/job.h"
#include "mtpgraft/result.h"
#include "mtpgraft/strip.h"

namespace mtpgraft {

// As the request says it, or a checkpoint's file if the output's name ends so. Fails with kUsage where the two
// contradict each other.
Result<ExtractForm> choose_extract_form(const ExtractRequest& request);

}  // namespace mtpgraft
