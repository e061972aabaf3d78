// A GGUF's head as a file of its family's checkpoints: the inverse of open_checkpoint().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/head.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

struct ExportedHead {
  Plan plan;                                 // its copies are of `data`
  std::shared_ptr<const ReadableFile> data;  // of the tensors, made while it is read
};

// `donor` is the parse of `file`, `head_data` what read_head_data() makes of it. Fails with kUnsupported for a head
// whose family, tensors or types a checkpoint cannot have, with kIncompatible for values that a checkpoint would not
// give back, and as make_extract_plan() does. `dequantized` as in HeadDescription.
Result<ExportedHead> export_checkpoint(const std::shared_ptr<const ReadableFile>& file, const GgufFile& donor,
                                       const HeadData& head_data, const std::vector<std::string>& dequantized);

}  // namespace mtpgraft
