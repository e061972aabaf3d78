#include "cache/cache_entry.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "util/checked.h"
#include "util/hash.h"
#include "util/parse.h"
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

bool is_entry_name(std::string_view name) { return name.size() == kEntryNameDigits && is_hex(name); }

std::unique_ptr<Directory> find_entry(const std::string& path) {
  auto entry = open_own_directory(path);
  return entry.ok() ? std::move(entry).value() : nullptr;
}

std::optional<CacheSource> read_source(const Directory& entry) {
  const auto file = entry.open(kSourceName);
  if (!file.ok() || !file.value() || file.value()->size() > kSourceBytesMax) {
    return std::nullopt;
  }
  std::string text(file.value()->size(), '\0');
  if (!file.value()->read_at(0, std::as_writable_bytes(std::span(text))).ok()) {
    return std::nullopt;
  }
  return parse_source(text);
}

void touch_source(const Directory& entry) { entry.touch(kSourceName); }

std::vector<PartFile> parts_in(const Directory& entry) {
  std::vector<PartFile> parts;
  for (const auto& text : entry.names()) {
    const auto name = parse_part_name(text);
    const auto file = name ? entry.find(text) : std::nullopt;
    if (file) {
      parts.push_back({*name, file->size == checked_add(name->range.length, kPartDigestBytes)});
    }
  }
  return parts;
}

}  // namespace mtpgraft
