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
#include "io/file_descriptor.h"
#include "io/posix_readable_file.h"

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

std::string entry_name(std::string_view url);
bool is_entry_name(std::string_view name);

// No descriptor if there is none, or something else.
FileDescriptor open_directory(const std::string& path);
// Neither by way of a symbolic link, nor one that another user has made: where others may write, as in /tmp, its parts
// could be theirs. Root may use those of others, as containers do.
FileDescriptor open_entry(const std::string& path);

// Null if there is no such regular file; symbolic links are not followed. `path` is the directory's, for messages.
std::unique_ptr<PosixReadableFile> open_file_in(int directory, const std::string& path, const std::string& name);

std::vector<std::string> names_in(int directory);

// Nothing if there is no `source` that could be one.
std::optional<CacheSource> read_source(int directory, const std::string& path);

// Notes that the entry is in use.
void touch_source(int directory);

// The regular files that have the name of a part.
struct PartFile {
  PartName name;
  bool is_whole;  // has the size that the name says
};
std::vector<PartFile> parts_in(int directory);

void remove_part(int directory, const PartName& name);

}  // namespace mtpgraft
