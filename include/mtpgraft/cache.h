// What is kept of donors that came over the network. Other programs may fetch and read meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mtpgraft/result.h"

namespace mtpgraft {

struct CacheEntry {
  std::string url;                 // empty if it cannot be told any more
  std::uint64_t size = 0;          // bytes of the whole file; 0 likewise
  std::uint64_t stored_bytes = 0;  // bytes of its parts that are kept
  std::size_t part_count = 0;
  std::int64_t used_s = 0;  // when something was last added or read, in seconds since 1970
};

// Returns "$XDG_CACHE_HOME/mtpgraft", else "$HOME/.cache/mtpgraft"; empty if neither is set.
std::string default_cache_directory();

// Lists what is in the cache, the longest unused first; nothing where there is no such directory. Fails with kIo.
Result<std::vector<CacheEntry>> list_cache(const std::string& directory);

// Removes all of it, and nothing that is not of the cache. Returns the bytes that were freed. Fails with kIo.
Result<std::uint64_t> clear_cache(const std::string& directory);

}  // namespace mtpgraft
