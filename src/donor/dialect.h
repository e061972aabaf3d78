// A donor whose head has other names than llama.cpp's, read as one that has those.
#pragma once

#include <memory>
#include <vector>

#include "model/dialect.h"
#include "mtpgraft/file.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// The values of a norm that has a checkpoint's name. Fails with kUnsupported if they are no short vector of a type that
// can be read, and with kIo.
Result<std::vector<float>> read_norm(const ReadableFile& file, const GgufFile& gguf, const StandardTensor& norm);

// A whole GGUF that is made of `donor`, whose parse is `gguf`, while it is read: the keys and tensors of `translation`,
// which has some, and the very bytes of `donor`. Only norms that have a checkpoint's name become F32 with `norm_offset`
// added, if that is not 0. Fails as read_norm() does.
Result<std::shared_ptr<const ReadableFile>> rename_tensors(const std::shared_ptr<const ReadableFile>& donor,
                                                           const GgufFile& gguf, const Translation& translation,
                                                           int norm_offset = 0);

}  // namespace mtpgraft
