// A donor whose head has other names than llama.cpp's, read as one that has those.
#pragma once

#include <memory>

#include "model/dialect.h"
#include "mtpgraft/file.h"
#include "mtpgraft/gguf.h"

namespace mtpgraft {

// A whole GGUF that is made of `donor`, whose parse is `gguf`, while it is read: its keys, its tensors under the names
// of `translation`, which has some, and their very bytes.
std::shared_ptr<const ReadableFile> rename_tensors(const std::shared_ptr<const ReadableFile>& donor,
                                                   const GgufFile& gguf, const Translation& translation);

}  // namespace mtpgraft
