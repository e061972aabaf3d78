#include "util/dynamic_library.h"

#include <dlfcn.h>

#include <string_view>

namespace mtpgraft {

Result<void*> load_library(const std::string& file) {
  void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::string_view reason = ::dlerror();
    if (reason.starts_with(file + ": ")) {
      reason.remove_prefix(file.size() + 2);
    }
    return Error{.code = ErrorCode::kIo, .message = std::string(reason), .path = file};
  }
  return library;
}

void* find_in_library(void* library, const char* name) { return ::dlsym(library, name); }

}  // namespace mtpgraft
