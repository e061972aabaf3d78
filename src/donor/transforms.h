// Makes a GGUF's tensors of a checkpoint's.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "donor/config.h"
#include "donor/stored_tensor.h"
#include "io/composed_file.h"
#include "model/mapping.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// Whether the converter makes the GGUF's tensor `name` F32, whatever the checkpoint has: llama.cpp computes with it so.
bool becomes_f32(std::string_view name, std::size_t n_dims);

struct MadeTensor {
  TensorInfo info;  // without offsets
  std::function<void(ComposedFile&)> add_data;
};

// `sources` is one tensor; of kStackExperts and kJoinRows all parts in their order. `name` is that of the GGUF's
// tensor, the first one's where there are several.
Result<std::vector<MadeTensor>> make_tensors(const std::string& name, Transform transform,
                                             std::vector<StoredTensor> sources, int norm_offset,
                                             const HeadConfig& config);

}  // namespace mtpgraft
