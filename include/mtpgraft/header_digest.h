// Digests of all that stands before the tensor data, by which `strip` proves that it restored a target.
#pragma once

#include "mtpgraft/digest.h"
#include "mtpgraft/file.h"
#include "mtpgraft/file_plan.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

Result<Digest> digest_header(const ReadableFile& file, const GgufFile& gguf);

// The same of the file that a plan makes of `target`.
Result<Digest> digest_planned_header(const FilePlan& plan, const ReadableFile& target);

}  // namespace mtpgraft
