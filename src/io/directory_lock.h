// Keeps the programs apart that give several files of one directory their names.
#pragma once

#include <string>

#include "io/file_descriptor.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// Waits for other programs that hold the lock of the directory of `path`; the lock ends with the result. Without one
// where the system has none, as on some network file systems.
Result<FileDescriptor> lock_directory_of(const std::string& path);

}  // namespace mtpgraft
