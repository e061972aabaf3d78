#pragma once

#include <cstdint>
#include <string>

#include "mtpgraft/file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// The bytes of the head that a model has, which is there to choose among several; 0 if it has none that can be taken,
// or is no model. Fails with kIo.
Result<std::uint64_t> find_head_bytes(const std::string& path, FileSource& source);

}  // namespace mtpgraft
