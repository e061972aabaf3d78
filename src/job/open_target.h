// The model that a graft or strip changes.
#pragma once

#include <string>

#include "mtpgraft/job.h"
#include "mtpgraft/split.h"

namespace mtpgraft {

// Opens it as the output asks: for reading, or to be changed in place, which fails with kRefused for a split model.
Result<OpenedModel> open_target(const std::string& path, const OutputRequest& output, FileSystem& files);

}  // namespace mtpgraft
