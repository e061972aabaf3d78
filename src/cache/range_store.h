// The parts of remote files that are here: in a cache, or for the time of one run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mtpgraft/cache.h"
#include "mtpgraft/file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// A part on its way here. Destroying it unfinished leaves nothing behind. Its store must outlive it.
class StoredPart {
 public:
  StoredPart() = default;
  StoredPart(const StoredPart&) = delete;
  StoredPart& operator=(const StoredPart&) = delete;
  virtual ~StoredPart() = default;

  // The bytes in order.
  virtual Status write(std::span<const std::byte> bytes) = 0;
  // All bytes are written: from now on the store has them.
  virtual Status finish() = 0;
};

// The parts of one file in one state. Safe to use from several threads.
class RangeStore {
 public:
  RangeStore() = default;
  RangeStore(const RangeStore&) = delete;
  RangeStore& operator=(const RangeStore&) = delete;
  virtual ~RangeStore() = default;

  // The parts of a range that are not here, in order. A part of the cache counts only if its bytes have the digest that
  // they had when they were stored; a damaged one is removed.
  virtual std::vector<ByteRange> missing(const ByteRange& range) = 0;

  // All of the range must be here.
  virtual Status read_at(std::uint64_t offset, std::span<std::byte> out) = 0;

  virtual Result<std::unique_ptr<StoredPart>> begin(const ByteRange& range) = 0;
};

// The gaps that `parts` leave in a range, in order.
std::vector<ByteRange> uncovered(const ByteRange& range, std::vector<ByteRange> parts);

// What the cache knows of a URL.
struct CachedFile {
  std::string validator;  // without one nothing outlives the program
  std::uint64_t size;

  bool operator==(const CachedFile&) const = default;
};

// Safe to use from several threads, and several programs. Its stores may outlive it.
class RangeCache {
 public:
  RangeCache() = default;
  RangeCache(const RangeCache&) = delete;
  RangeCache& operator=(const RangeCache&) = delete;
  virtual ~RangeCache() = default;

  // Nothing if the URL is not in the cache.
  virtual std::optional<CachedFile> find(const std::string& url) = 0;

  // The store for this state of the file; parts of another state are removed.
  virtual Result<std::unique_ptr<RangeStore>> open(const std::string& url, const CachedFile& file) = 0;
};

// A cache in `directory`, which is made (0700) when something is stored. Each part is a file of its own that appears
// complete or not at all, with the XXH128 of its bytes behind them. `files` must outlive it and its stores.
std::unique_ptr<RangeCache> make_range_cache(std::string directory, FileSystem& files);

// Nothing outlives the program: parts are files without a name in $TMPDIR, else in /var/tmp.
std::unique_ptr<RangeCache> make_temporary_cache();

}  // namespace mtpgraft
