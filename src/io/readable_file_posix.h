#pragma once

#include <sys/stat.h>

#include <memory>
#include <string>

#include "io/file_descriptor.h"
#include "mtpgraft/file.h"

namespace mtpgraft {

class PosixReadableFile : public ReadableFile {
 public:
  // A regular file.
  static Result<std::unique_ptr<PosixReadableFile>> open(const std::string& path);

  PosixReadableFile(std::string path, FileDescriptor fd, const struct stat& status)
      : path_(std::move(path)), fd_(std::move(fd)), status_(status) {}

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] std::uint64_t size() const override { return static_cast<std::uint64_t>(status_.st_size); }
  [[nodiscard]] std::uint64_t stored_bytes() const override {
    return static_cast<std::uint64_t>(status_.st_blocks) * 512;
  }
  [[nodiscard]] Permissions permissions() const override { return status_.st_mode & 0666; }
  [[nodiscard]] bool is_being_written() const override;
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override;
  Status check_unchanged() const override;
  [[nodiscard]] std::optional<FileStamp> stamp() const override;
  [[nodiscard]] std::optional<std::uint64_t> find_hole(const ByteRange& range) const override;
  [[nodiscard]] std::vector<ByteRange> shared_parts(const ReadableFile& source, const CopyRange& range) const override;

  [[nodiscard]] int descriptor() const { return fd_.get(); }
  [[nodiscard]] const struct stat& status() const { return status_; }

 private:
  std::string path_;
  FileDescriptor fd_;
  struct stat status_;
};

}  // namespace mtpgraft
