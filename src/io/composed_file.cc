#include "io/composed_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "util/checked.h"

namespace mtpgraft {

void ComposedFile::note_source(const std::shared_ptr<const ReadableFile>& file) {
  if (std::ranges::find(files_, file) == files_.end()) {
    files_.push_back(file);
  }
}

void ComposedFile::add(Part part) {
  if (part.length > 0) {
    size_ += part.length;
    parts_.push_back(std::move(part));
  }
}

void ComposedFile::add_bytes(std::vector<std::byte> bytes) {
  const auto length = bytes.size();
  add({.offset = size_, .length = length, .bytes = std::move(bytes)});
}

void ComposedFile::add_zeros(std::uint64_t length) { add({.offset = size_, .length = length}); }

void ComposedFile::pad_to(std::uint64_t alignment) { add_zeros(align_up(size_, alignment) - size_); }

void ComposedFile::add_range(std::shared_ptr<const ReadableFile> file, const ByteRange& range) {
  note_source(file);
  add({.offset = size_, .length = range.length, .file = std::move(file), .file_offset = range.offset});
}

void ComposedFile::add_made(std::vector<FileRange> reads, std::uint64_t length, Maker maker) {
  for (const auto& read : reads) {
    note_source(read.file);
  }
  add({.offset = size_, .length = length, .maker = std::move(maker), .maker_reads = std::move(reads)});
}

template <class Use>
Status ComposedFile::in_parts(const ByteRange& range, Use use) const {
  auto part = std::ranges::upper_bound(parts_, range.offset, {}, &Part::offset);
  for (std::uint64_t done = 0; done < range.length; ++part) {
    const auto& here = *(part - 1);
    const auto from = range.offset + done - here.offset;
    const auto length = std::min(here.length - from, range.length - done);
    MTPGRAFT_CHECK(use(here, ByteRange{from, length}));
    done += length;
  }
  return ok_status();
}

Status ComposedFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  if (!range_fits(offset, out.size(), size_)) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("has no bytes {}-{}", offset, offset + out.size()),
                 .path = path_};
  }
  return in_parts({offset, out.size()}, [&](const Part& part, const ByteRange& range) -> Status {
    const auto piece = out.first(static_cast<std::size_t>(range.length));
    out = out.subspan(piece.size());
    if (part.maker) {
      return part.maker(range.offset, piece);
    }
    if (part.file) {
      return part.file->read_at(part.file_offset + range.offset, piece);
    }
    if (part.bytes.empty()) {
      std::ranges::fill(piece, std::byte{0});
    } else {
      std::memcpy(piece.data(), part.bytes.data() + range.offset, piece.size());
    }
    return ok_status();
  });
}

Status ComposedFile::check_unchanged() const {
  for (const auto& file : files_) {
    MTPGRAFT_CHECK(file->check_unchanged());
  }
  return ok_status();
}

Permissions ComposedFile::permissions() const {
  auto permissions = kNewFilePermissions;
  for (const auto& file : files_) {
    permissions &= file->permissions();
  }
  return permissions;
}

std::vector<FilePiece> ComposedFile::pieces(const ByteRange& range) const {
  std::vector<FilePiece> pieces;
  auto at = range.offset;
  (void)in_parts(range, [&](const Part& part, const ByteRange& within) {
    if (part.file) {
      const auto inner = part.file->pieces({part.file_offset + within.offset, within.length});
      pieces.insert(pieces.end(), inner.begin(), inner.end());
    } else {
      pieces.push_back({this, {at, within.length}});
    }
    at += within.length;
    return ok_status();
  }).ok();
  return pieces;
}

std::vector<const ReadableFile*> ComposedFile::sources() const {
  std::vector<const ReadableFile*> sources;
  for (const auto& file : files_) {
    const auto inner = file->sources();
    sources.insert(sources.end(), inner.begin(), inner.end());
  }
  return sources;
}

std::vector<FilePiece> ComposedFile::reads(const ByteRange& range) const {
  std::vector<FilePiece> reads;
  const auto add = [&](const ReadableFile& file, const ByteRange& of_file) {
    const auto inner = file.reads(of_file);
    reads.insert(reads.end(), inner.begin(), inner.end());
  };
  (void)in_parts(range, [&](const Part& part, const ByteRange& within) {
    if (part.file) {
      add(*part.file, {part.file_offset + within.offset, within.length});
    }
    for (const auto& read : part.maker_reads) {
      add(*read.file, read.range);
    }
    return ok_status();
  }).ok();
  return reads;
}

}  // namespace mtpgraft
