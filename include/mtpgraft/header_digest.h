// What is kept of all that stands before the tensor data, so that `strip` can restore it, and prove that it did.
#pragma once

#include "mtpgraft/digest.h"
#include "mtpgraft/file.h"
#include "mtpgraft/file_plan.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// Reads the header of `file`, whose parse is `gguf`; of a split model that of the first file. Fails with kIo.
Result<TargetHeader> read_target_header(const ReadableFile& file, const GgufFile& gguf);

// Computes the digest of the same for the file that a plan makes of `target`. Fails with kIo.
Result<Digest> digest_planned_header(const FilePlan& plan, const ReadableFile& target);

}  // namespace mtpgraft
