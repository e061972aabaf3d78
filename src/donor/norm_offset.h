// Whether the 1 that llama.cpp expects in norm weights is to be added to those of a checkpoint, or to those of a GGUF
// that has its names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "donor/checkpoint.h"
#include "model/mapping.h"
#include "model/norms.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// 0 or 1: by the options, else by the means of the norms, which a note tells. Where these do not tell, what the file
// says of itself counts (`described`). Fails with kIncompatible where both do not tell, or contradict each other.
Result<int> choose_norm_offset(Checkpoint& checkpoint, const HeadTensorGroups& groups, const Family& family,
                               const CheckpointOptions& options, std::optional<int> described,
                               std::vector<std::string>& notes);

// 0 or 1: by the means of norms, as `trunk` helps to judge them, which a note tells. Fails with kIncompatible where
// these do not tell; `path` is the donor's. `described` as for choose_norm_offset().
Result<int> judge_norm_offset(std::vector<NormMean> means, const std::vector<TrunkNorm>& trunk, const std::string& path,
                              std::vector<std::string>& notes, std::optional<int> described = {});

}  // namespace mtpgraft
