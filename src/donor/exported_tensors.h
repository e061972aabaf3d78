// A checkpoint's tensors made of those of a GGUF's head: the inverse of transforms.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "donor/safetensors.h"
#include "io/composed_file.h"
#include "model/mapping.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/head.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// A tensor of the checkpoint; its offset counts from the start of the data.
struct ExportedTensor {
  SafetensorsTensor tensor;
  std::size_t source = 0;  // the head's tensor that it is made of, or the first
  std::uint32_t type = 0;  // ggml's
  std::function<void(ComposedFile&)> add_data;
};

using ExportedTensors = std::vector<ExportedTensor>;

// The tensors that map_back() names, in the order of their data. `donor` is the parse of `file`. Fails with
// kIncompatible for types and values that a checkpoint would not give back, with kUnsupported for shapes that it cannot
// have.
Result<ExportedTensors> make_exported_tensors(const std::shared_ptr<const ReadableFile>& file, const GgufFile& donor,
                                              const Head& head, const HeadData& data,
                                              const std::vector<WrittenTensor>& written);

}  // namespace mtpgraft
