// Reads the part of a head's data that planning needs.
#pragma once

#include "mtpgraft/file.h"
#include "mtpgraft/head.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

enum class DigestHead { kNo, kYes };

// Reads the donor's one-dimensional head tensors, converted to F32, which is the only type of theirs that llama.cpp can
// draft with; F16, BF16 and Q8_0 are understood; what is wrong with their values is found too. With kYes the whole head
// is read once, for its digest and for what is wrong with all its values, with at most 1 MiB of memory besides the
// vectors. `donor` is the parse of `file`. `progress` may be empty and is called in this thread. Fails with
// kUnsupported for a vector of another type, with kIo and with kInterrupted.
Result<HeadData> read_head_data(const ReadableFile& file, const GgufFile& donor, DigestHead digest,
                                const Progress& progress);

// Reads the norms of a model's trunk that a head has too. `gguf` is the parse of `file`. Nothing for architectures
// whose norms have the same values in checkpoints. Fails with kIo.
Result<std::vector<TrunkNorm>> read_trunk_norms(const ReadableFile& file, const GgufFile& gguf);

}  // namespace mtpgraft
