#include "util/dynamic_library.h"

#include <dlfcn.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>

#include "util/environment.h"

namespace mtpgraft {
namespace {

// The system takes an empty or relative entry of LD_LIBRARY_PATH for a place below the current directory, which may be
// a folder of models that somebody else has filled. Returns such an entry if the system would look into it.
std::optional<std::string> unsafe_entry(const std::string& name) {
  auto entries = environment("LD_LIBRARY_PATH");
  if (entries.empty()) {
    return std::nullopt;
  }
  // Both characters part entries; after the last one stands an entry, too.
  std::ranges::replace(entries, ';', ':');
  std::istringstream list(entries + ':');
  for (std::string entry; std::getline(list, entry, ':');) {
    const auto has = [&](const std::string& below) { return ::access(below.c_str(), F_OK) == 0; };
    const auto folder = entry.empty() ? std::string(".") : entry;
    if (!folder.starts_with('/') && (has(folder + '/' + name) || has(folder + "/glibc-hwcaps"))) {
      return entry;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<void*> load_library(const std::string& file) {
  if (file.find('/') == std::string::npos) {
    if (const auto entry = unsafe_entry(file)) {
      return Error{
          .code = ErrorCode::kIo,
          .message = fmt::format(
              "not loaded: LD_LIBRARY_PATH has the entry '{}', which leads into the current directory", *entry),
          .path = file};
    }
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
