// What kind of file a head is extracted to.
#pragma once

#include <string>

#include "mtpgraft/job.h"
#include "mtpgraft/result.h"
#include "mtpgraft/strip.h"

namespace mtpgraft {

// As the request says it, or a checkpoint's file if the output's name ends so. Fails with kUsage where the two
// contradict each other.
Result<ExtractForm> choose_extract_form(const ExtractRequest& request);

// kIncompatible for a checkpoint's head that is quantised there, unless the request says what it is to become.
Status check_exact(const Donor& donor);

// kUsage if a GGUF is to be written to a name with the ending of checkpoints.
Status refuse_checkpoint_name(const std::string& path);

}  // namespace mtpgraft
