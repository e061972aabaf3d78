#include "cache/cache_entry.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <span>

#include "io/posix_io.h"
#include "util/checked.h"
#include "util/hash.h"
#include "util/sha256.h"

namespace mtpgraft {
namespace {

constexpr std::size_t kEntryNameDigits = 32;
constexpr std::uint64_t kSourceBytesMax = 16384;

}  // namespace

std::string format_source(const CacheSource& source) {
  return fmt::format("{}\n{}\n{}\n", source.url, source.file.validator, source.file.size);
}

std::optional<CacheSource> parse_source(std::string_view text) {
  std::array<std::string_view, 3> lines;
  auto rest = text;
  for (auto& line : lines) {
    line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  CacheSource source{std::string(lines[0]), {std::string(lines[1]), 0}};
  std::from_chars(lines[2].data(), lines[2].data() + lines[2].size(), source.file.size);
  return format_source(source) == text ? std::optional(source) : std::nullopt;
}

std::string format_part_name(const PartName& name) {
  return fmt::format("{:016x}-{}-{}", name.state, name.range.offset, name.range.length);
}

std::optional<PartName> parse_part_name(std::string_view name) {
  const char* at = name.data();
  const char* const end = at + name.size();
  const auto next = [&](std::uint64_t& value, int base) {
    at = std::from_chars(at, end, value, base).ptr;
    at += at != end ? 1 : 0;
  };
  PartName part{};
  next(part.state, 16);
  next(part.range.offset, 10);
  next(part.range.length, 10);
  return format_part_name(part) == name ? std::optional(part) : std::nullopt;
}

std::uint64_t state_of(const CacheSource& source) {
  const auto text = format_source(source);
  return digest_of(std::as_bytes(std::span(text))).high;
}

std::string entry_name(std::string_view url) {
  Sha256 hasher;
  hasher.update(std::as_bytes(std::span(url)));
  return hasher.finish_hex().substr(0, kEntryNameDigits);
}

bool is_entry_name(std::string_view name) {
  return name.size() == kEntryNameDigits && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

FileDescriptor open_directory(const std::string& path) {
  return FileDescriptor(retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
}

FileDescriptor open_entry(const std::string& path) {
  FileDescriptor entry(retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }));
  struct stat status {};
  const auto user = ::geteuid();
  if (entry.valid() && user != 0 && (::fstat(entry.get(), &status) != 0 || status.st_uid != user)) {
    entry = FileDescriptor();
    errno = EPERM;
  }
  return entry;
}

std::unique_ptr<PosixReadableFile> open_file_in(int directory, const std::string& path, const std::string& name) {
  // O_NONBLOCK: opening a pipe must not hang.
  FileDescriptor fd(
      retry([&] { return ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); }));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return nullptr;
  }
  return std::make_unique<PosixReadableFile>(fmt::format("{}/{}", path, name), std::move(fd), status,
                                             PosixReadableFile::Lease::kNone);
}

std::vector<std::string> names_in(int directory) {
  std::vector<std::string> names;
  // Another descriptor, with a position of its own, as closedir() closes it.
  const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const stream = fd >= 0 ? ::fdopendir(fd) : nullptr;
  if (stream == nullptr) {
    return names;
  }
  while (const auto* entry = ::readdir(stream)) {
    names.emplace_back(entry->d_name);
  }
  ::closedir(stream);
  return names;
}

std::optional<CacheSource> read_source(int directory, const std::string& path) {
  const auto file = open_file_in(directory, path, "source");
  if (!file || file->size() > kSourceBytesMax) {
    return std::nullopt;
  }
  std::string text(file->size(), '\0');
  if (!file->read_at(0, std::as_writable_bytes(std::span(text))).ok()) {
    return std::nullopt;
  }
  return parse_source(text);
}

void touch_source(int directory) { ::utimensat(directory, "source", nullptr, AT_SYMLINK_NOFOLLOW); }

std::vector<PartFile> parts_in(int directory) {
  std::vector<PartFile> parts;
  for (const auto& text : names_in(directory)) {
    const auto name = parse_part_name(text);
    struct stat status {};
    if (name && ::fstatat(directory, text.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode)) {
      const auto whole_bytes = checked_add(name->range.length, kPartDigestBytes);
      parts.push_back({*name, static_cast<std::uint64_t>(status.st_size) == whole_bytes});
    }
  }
  return parts;
}

void remove_part(int directory, const PartName& name) { ::unlinkat(directory, format_part_name(name).c_str(), 0); }

}  // namespace mtpgraft
