// What a sidecar has of the head outside of its block, and a graft has no place for.
#pragma once

#include <vector>

#include "mtpgraft/gguf.h"
#include "mtpgraft/head.h"
#include "mtpgraft/split.h"

namespace mtpgraft {

// Warns if such tensors are others in the donor than in the target, whose are used in the graft. Reads them.
Status warn_of_displaced_tensors(const OpenedModel& target, const OpenedModel& donor, std::vector<Warning>& warnings);

}  // namespace mtpgraft
