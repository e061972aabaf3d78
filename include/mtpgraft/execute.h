#pragma once

#include "mtpgraft/file.h"
#include "mtpgraft/plan.h"

namespace mtpgraft {

// Writes the plan's bytes to `output`, which the caller then commits. Fails with kIo if an input changed meanwhile.
Status execute_plan(const Plan& plan, const ReadableFile& target, const ReadableFile& donor, StagedFile& output,
                    const Progress& progress);

}  // namespace mtpgraft
