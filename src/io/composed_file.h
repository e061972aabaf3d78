// A file that exists only while it is read: ranges of other files, bytes in memory and bytes made on demand, one after
// the other. So what is kept in other formats, or in several files, is read as the one GGUF that it amounts to.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mtpgraft/file.h"

namespace mtpgraft {

struct FileRange {
  std::shared_ptr<const ReadableFile> file;
  ByteRange range;
};

class ComposedFile final : public ReadableFile {
 public:
  // Makes out.size() bytes from `offset` bytes into the part on. Called from several threads.
  using Maker = std::function<Status(std::uint64_t offset, std::span<std::byte> out)>;

  // `path` stands in messages.
  explicit ComposedFile(std::string path) : path_(std::move(path)) {}

  void add_bytes(std::vector<std::byte> bytes);
  void add_zeros(std::uint64_t length);
  void pad_to(std::uint64_t alignment);
  void add_range(std::shared_ptr<const ReadableFile> file, const ByteRange& range);
  // `reads` is all that the maker reads.
  void add_made(std::vector<FileRange> reads, std::uint64_t length, Maker maker);

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override;
  Status check_unchanged() const override;
  [[nodiscard]] std::uint64_t stored_bytes() const override { return size_; }
  // Those that all of its files have.
  [[nodiscard]] Permissions permissions() const override;
  [[nodiscard]] std::vector<FilePiece> pieces(const ByteRange& range) const override;
  [[nodiscard]] std::vector<const ReadableFile*> sources() const override;
  [[nodiscard]] std::vector<FilePiece> reads(const ByteRange& range) const override;

 private:
  struct Part {
    std::uint64_t offset;
    std::uint64_t length;
    std::shared_ptr<const ReadableFile> file{};  // of a range
    std::uint64_t file_offset = 0;
    std::vector<std::byte> bytes{};
    Maker maker{};
    std::vector<FileRange> maker_reads{};
  };

  void add(Part part);
  void note_source(const std::shared_ptr<const ReadableFile>& file);
  // Calls `use(part, range within the part)`, which returns a Status, for every part of a range that fits.
  template <class Use>
  Status in_parts(const ByteRange& range, Use use) const;

  std::string path_;
  std::vector<Part> parts_;  // none is empty
  std::vector<std::shared_ptr<const ReadableFile>> files_;
  std::uint64_t size_ = 0;
};

}  // namespace mtpgraft
