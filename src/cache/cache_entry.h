// What the cache has of one URL, on disk: DIRECTORY/<32 hex digits of the URL's SHA-256>/, in it `source`, which says
// what the parts are of, and the parts. All that is found there is looked at before it is believed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/range_store.h"
#include "io/directory.h"

namespace mtpgraft {

// "URL\nVALIDATOR\nSIZE\n". The parts of one text are those of the same file in the same state.
struct CacheSource {
  std::string url;
  CachedFile file;
};

std::string format_source(const CacheSource& source);
std::optional<CacheSource> parse_source(std::string_view text);

// "<first 16 hex digits of the XXH128 of `source`>-OFFSET-LENGTH".
struct PartName {
  std::uint64_t state;
  ByteRange range;
};

std::string format_part_name(const PartName& name);
std::optional<PartName> parse_part_name(std::string_view name);
std::uint64_t state_of(const CacheSource& source);

// The XXH128 of its bytes follows them in each part, as text: it is not known before the last of them has come.
inline constexpr std::uint64_t kPartDigestBytes = 32;

inline constexpr const char* kSourceName = "source";

std::string entry_name(std::string_view url);
bool is_entry_name(std::string_view name);

// Null if there is none that may be used; the reason is of no interest.
std::unique_ptr<Directory> find_entry(const std::string& path);

// Nothing if there is no `source` that could be one.
std::optional<CacheSource> read_source(const Directory& entry);

// Notes that the entry is in use.
void touch_source(const Directory& entry);

// The regular files that have the name of a part.
struct PartFile {
  PartName name;
  bool is_whole;  // has the size that the name says
};
std::vector<PartFile> parts_in(const Directory& entry);

}  // namespace mtpgraft
