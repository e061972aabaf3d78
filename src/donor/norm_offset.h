// Whether the 1 that llama.cpp expects in norm weights is to be added to those of a checkpoint.
#pragma once

#include <string>
#include <vector>

#include "donor/checkpoint.h"
#include "model/mapping.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// 0 or 1: by the options, else by the means of the norms, which a note tells. Fails with kIncompatible where these do
// not tell.
Result<int> choose_norm_offset(Checkpoint& checkpoint, const HeadTensorGroups& groups, const Family& family,
                               const CheckpointOptions& options, std::vector<std::string>& notes);

}  // namespace mtpgraft
