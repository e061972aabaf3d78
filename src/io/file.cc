#include "mtpgraft/file.h"

#include "io/read_ahead.h"
#include "io/stream.h"
#include "util/checked.h"
#include "util/url.h"

namespace mtpgraft {

bool is_remote(std::string_view path) {
  const auto plain = plain_url(path);
  return plain.starts_with("https://") || plain.starts_with("http://") || plain.starts_with("hf://");
}

CopyRange clonable_part(const CopyRange& range) {
  const auto skip = align_up(range.offset, kCloneBlockBytes) - range.offset;
  if (range.offset % kCloneBlockBytes != range.source_offset % kCloneBlockBytes || skip >= range.length) {
    return range.part(range.length, 0);
  }
  return range.part(skip, (range.length - skip) / kCloneBlockBytes * kCloneBlockBytes);
}

CopyCounts& CopyCounts::operator+=(const CopyCounts& other) {
  in_kernel += other.in_kernel;
  buffered += other.buffered;
  holes += other.holes;
  kept += other.kept;
  return *this;
}

bool ReadableFile::is_being_written() const { return false; }

std::optional<std::uint64_t> ReadableFile::find_hole(const ByteRange& /*range*/) const { return std::nullopt; }

std::vector<ByteRange> ReadableFile::shared_parts(const ReadableFile& /*source*/, const CopyRange& /*range*/) const {
  return {};
}

std::vector<FilePiece> ReadableFile::pieces(const ByteRange& range) const { return {{this, range}}; }

std::vector<FilePiece> ReadableFile::reads(const ByteRange& range) const { return {{this, range}}; }

std::vector<const ReadableFile*> ReadableFile::sources() const { return {this}; }

Permissions ReadableFile::permissions() const { return kNewFilePermissions; }

std::optional<FileStamp> ReadableFile::stamp() const { return std::nullopt; }

Result<std::vector<std::string>> FileSource::list_folder(const std::string& path) const {
  return Error{.code = ErrorCode::kUnsupported, .message = "this folder cannot be listed", .path = path};
}

Result<std::optional<std::string>> StagedFile::clone_from(const ReadableFile& /*source*/, const CopyRange& /*range*/) {
  return std::optional<std::string>("files of this kind cannot share blocks");
}

Status StagedFile::reserve(const ReadableFile& /*source*/, const CopyRange& /*range*/) { return ok_status(); }

Result<CopyCounts> StagedFile::copy_from(const ReadableFile& source, const CopyRange& range, const CopyOptions& options,
                                         const Progress& progress) {
  auto offset = range.offset;
  const auto write = [&](std::span<const std::byte> piece) -> Status {
    MTPGRAFT_CHECK(write_at(offset, piece));
    if (options.observe) {
      options.observe(piece);
    }
    offset += piece.size();
    return report_progress(progress, piece.size());
  };
  MTPGRAFT_CHECK(read_ahead(source, range.source_offset, range.length, write));
  CopyCounts counts;
  counts.buffered = range.length;
  return counts;
}

Result<std::unique_ptr<StagedFile>> FileSystem::stage_with(const std::string& path, std::uint64_t size,
                                                           Permissions /*permissions*/) {
  return stage(path, size);
}

Result<std::uint64_t> FileSystem::file_system_of(const std::string& /*path*/) { return std::uint64_t{0}; }

Result<std::shared_ptr<void>> FileSystem::lock_names(const std::string& /*path*/, const Progress& /*progress*/) {
  return std::shared_ptr<void>();
}

Status FileSystem::check_changeable(const std::string& /*path*/) { return ok_status(); }

Status FileSystem::make_directory(const std::string& path) {
  return Error{.code = ErrorCode::kUnsupported, .message = "directories cannot be made here", .path = path};
}

}  // namespace mtpgraft
