// Libraries that are loaded when they are needed, and never closed: they leave threads and handlers in the process.
#pragma once

#include <string>

#include "mtpgraft/result.h"

namespace mtpgraft {

// A name without a directory is looked for among the libraries of the system. Fails with kIo, in the system's words.
Result<void*> load_library(const std::string& file);

// Null if it has nothing of this name.
void* find_in_library(void* library, const char* name);

}  // namespace mtpgraft
