#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <functional>

#include "cache/cache_entry.h"
#include "cache/range_store.h"
#include "io/posix_io.h"

namespace mtpgraft {
namespace {

std::string absolute_variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value == '/' ? value : "";  // relative ones are not valid, by the rules for these
}

struct stat status_in(int directory, const std::string& name) {
  struct stat status {};
  ::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW);
  return status;
}

// Calls `use(name, entry)` for the directory of each URL. A cache that is not there has none.
Status for_each_entry(const std::string& directory, const std::function<void(const std::string&, int)>& use) {
  const auto root = open_directory(directory);
  if (!root.valid()) {
    return errno == ENOENT ? ok_status() : Status(io_error(directory, "open the cache"));
  }
  for (const auto& name : names_in(root.get())) {
    const auto entry = is_entry_name(name) ? open_entry(fmt::format("{}/{}", directory, name)) : FileDescriptor();
    if (entry.valid()) {
      use(name, entry.get());
    }
  }
  return ok_status();
}

// Whether the name is that of a file which was being written when the program was killed, where the system knows no
// files without a name.
bool is_staged_name(const std::string& name) {
  constexpr std::string_view kStart = ".mtpgraft-";
  return name.starts_with(kStart) && name.find_first_not_of("0123456789-", kStart.size()) == std::string::npos;
}

bool is_of_cache(const std::string& name) { return name == "source" || parse_part_name(name) || is_staged_name(name); }

}  // namespace

std::string default_cache_directory() {
  const auto cache = absolute_variable("XDG_CACHE_HOME");
  if (!cache.empty()) {
    return cache + "/mtpgraft";
  }
  const auto home = absolute_variable("HOME");
  return home.empty() ? "" : home + "/.cache/mtpgraft";
}

Result<std::vector<CacheEntry>> list_cache(const std::string& directory) {
  std::vector<CacheEntry> entries;
  MTPGRAFT_CHECK(for_each_entry(directory, [&](const std::string& name, int entry_directory) {
    CacheEntry entry;
    const auto source = read_source(entry_directory, directory + "/" + name);
    if (source && entry_name(source->url) == name) {
      entry.url = source->url;
      entry.size = source->file.size;
    }
    for (const auto& part : parts_in(entry_directory)) {
      if (part.is_whole) {
        entry.stored_bytes += part.name.range.length;
        ++entry.part_count;
      }
    }
    entry.used_s = status_in(entry_directory, "source").st_mtim.tv_sec;
    if (!entry.url.empty() || entry.part_count > 0) {
      entries.push_back(std::move(entry));
    }
  }));
  std::ranges::sort(entries, {}, &CacheEntry::used_s);
  return entries;
}

Result<std::uint64_t> clear_cache(const std::string& directory) {
  std::uint64_t freed = 0;
  std::optional<Error> failure;
  MTPGRAFT_CHECK(for_each_entry(directory, [&](const std::string& name, int entry_directory) {
    for (const auto& file : names_in(entry_directory)) {
      const auto status = status_in(entry_directory, file);
      if (!is_of_cache(file) || !S_ISREG(status.st_mode)) {
        continue;
      }
      if (::unlinkat(entry_directory, file.c_str(), 0) == 0) {
        freed += static_cast<std::uint64_t>(status.st_size);
      } else if (errno != ENOENT) {
        failure = io_error(fmt::format("{}/{}/{}", directory, name, file), "remove");
      }
    }
    ::rmdir(fmt::format("{}/{}", directory, name).c_str());  // stays if something else is in it
  }));
  if (failure) {
    return *failure;
  }
  ::rmdir(directory.c_str());
  return freed;
}

}  // namespace mtpgraft
