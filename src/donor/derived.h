// A GGUF that is made of another while it is read: other tensors, and keys of its own if need be.
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

// `gguf` is the parse of `file`. `keys` are those of `gguf`, in their order, some under another name; those without
// an offset are altered, or added behind them. What was split becomes one file. The sizes of the tensors together must
// be those of a file: neither they nor their padding may overflow.
std::shared_ptr<const ReadableFile> derive(const std::shared_ptr<const ReadableFile>& file, const GgufFile& gguf,
                                           const std::vector<KeyValue>& keys, std::vector<DerivedTensor> tensors);

}  // namespace mtpgraft
