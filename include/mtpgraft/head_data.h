// Reading what a plan must know of a head's data.
#pragma once

#include "mtpgraft/file.h"
#include "mtpgraft/head.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

enum class DigestHead { kNo, kYes };

// Reads the donor's one-dimensional head tensors, converted to F32, which is the only type of theirs that llama.cpp can
// draft with; F16, BF16 and Q8_0 are understood. With kYes the whole head is read once for its digest.
Result<HeadData> read_head_data(const ReadableFile& file, const GgufFile& donor, DigestHead digest,
                                const Progress& progress);

}  // namespace mtpgraft
