#include <fmt/core.h>

#include <algorithm>
#include <functional>

#include "cache/cache_entry.h"
#include "cache/range_store.h"
#include "io/directory.h"

namespace mtpgraft {
namespace {

// Calls `use(name, entry)` for the directory of each URL. A cache that is not there has none.
Status for_each_entry(const std::string& directory,
                      const std::function<void(const std::string&, const Directory&)>& use) {
  MTPGRAFT_TRY(const auto root, open_directory(directory, "the cache"));
  for (const auto& name : root ? root->names() : std::vector<std::string>{}) {
    const auto entry = is_entry_name(name) ? find_entry(fmt::format("{}/{}", directory, name)) : nullptr;
    if (entry) {
      use(name, *entry);
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

bool is_of_cache(const std::string& name) {
  return name == kSourceName || parse_part_name(name) || is_staged_name(name);
}

}  // namespace

std::string default_cache_directory() {
  auto directory = user_cache_directory();
  return directory.empty() ? directory : directory + "/mtpgraft";
}

Result<std::vector<CacheEntry>> list_cache(const std::string& directory) {
  std::vector<CacheEntry> entries;
  MTPGRAFT_CHECK(for_each_entry(directory, [&](const std::string& name, const Directory& files) {
    CacheEntry entry;
    const auto source = read_source(files);
    if (source && entry_name(source->url) == name) {
      entry.url = source->url;
      entry.size = source->file.size;
    }
    for (const auto& part : parts_in(files)) {
      if (part.is_whole) {
        entry.stored_bytes += part.name.range.length;
        ++entry.part_count;
      }
    }
    if (const auto file = files.find(kSourceName)) {
      entry.used_s = file->changed_s;
    }
    if (!entry.url.empty() || entry.part_count > 0) {
      entries.push_back(std::move(entry));
    }
  }));
  std::ranges::sort(entries, {}, &CacheEntry::used_s);
  return entries;
}

Result<std::uint64_t> clear_cache(const std::string& directory) {
  std::uint64_t freed = 0;
  auto outcome = ok_status();
  MTPGRAFT_CHECK(for_each_entry(directory, [&](const std::string& name, const Directory& files) {
    for (const auto& file : files.names()) {
      const auto found = is_of_cache(file) ? files.find(file) : std::nullopt;
      if (!found) {
        continue;
      }
      if (auto removed = files.remove(file); removed.ok()) {
        freed += found->size;
      } else {
        outcome = std::move(removed);
      }
    }
    remove_directory(fmt::format("{}/{}", directory, name));  // stays if something else is in it
  }));
  MTPGRAFT_CHECK(outcome);
  remove_directory(directory);
  return freed;
}

}  // namespace mtpgraft
