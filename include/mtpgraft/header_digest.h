// Digests of all that stands before the tensor data, by which `strip` proves that it restored a target.
#pragma once

#include "mtpgraft/digest.h"
#include "mtpgraft/file.h"
#include "mtpgraft/file_plan.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// Reads the header of `file`, whose parse is `gguf`; of a split model that of the first file. Fails with kIo.
Result<Digest> digest_header(const ReadableFile& file, const GgufFile& gguf);

// Computes the same for the file that a plan makes of `target`. Fails with kIo.
Result<Digest> digest_planned_header(const FilePlan& plan, const ReadableFile& target);

}  // namespace mtpgraft
