// A GGUF that is made of another while it is read: the same keys, other tensors.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "io/composed_file.h"
#include "mtpgraft/gguf.h"

namespace mtpgraft {

struct DerivedTensor {
  TensorInfo info;  // its offset is not used
  std::function<void(ComposedFile&)> add_data;
};

// `gguf` is the parse of `file`. What was split becomes one file. The sizes of the tensors together must be those of a
// file: neither they nor their padding may overflow.
std::shared_ptr<const ReadableFile> derive(const std::shared_ptr<const ReadableFile>& file, const GgufFile& gguf,
                                           std::vector<DerivedTensor> tensors);

}  // namespace mtpgraft
