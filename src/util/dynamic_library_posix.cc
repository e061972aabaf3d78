#include "util/dynamic_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <sstream>
#include <string_view>

#include "util/environment.h"

namespace mtpgraft {
namespace {

// The system takes an empty or relative entry of LD_LIBRARY_PATH for a place below the current directory, which may be
// a folder of models that somebody else has filled. Both characters part entries.
bool searches_current_directory() {
  auto entries = environment("LD_LIBRARY_PATH");
  std::ranges::replace(entries, ';', ':');
  std::istringstream list(entries.empty() ? entries : entries + ':');
  for (std::string entry; std::getline(list, entry, ':');) {
    if (!entry.starts_with('/')) {
      return true;
    }
  }
  return false;
}

}  // namespace

Result<void*> load_library(const std::string& file) {
  if (file.find('/') == std::string::npos && searches_current_directory()) {
    return Error{
        .code = ErrorCode::kIo,
        .message = "not loaded: an empty or relative entry of LD_LIBRARY_PATH leads into the current directory",
        .path = file};
  }
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
