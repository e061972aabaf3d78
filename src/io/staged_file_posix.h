#pragma once

#include <memory>
#include <string>

#include "io/file_descriptor.h"
#include "io/readable_file_posix.h"
#include "mtpgraft/file.h"

namespace mtpgraft {

class PosixStagedFile final : public StagedFile {
 public:
  // Makes a file of `size` bytes without a name, or a hidden one where the system or the file system cannot do that or
  // could not name it later. It has these permissions, less what the user's umask takes away; its owner may write it.
  static Result<std::unique_ptr<PosixStagedFile>> create(const std::string& path, std::uint64_t size,
                                                         Permissions permissions);

  PosixStagedFile(const PosixStagedFile&) = delete;
  PosixStagedFile& operator=(const PosixStagedFile&) = delete;
  ~PosixStagedFile() override;

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Result<std::optional<std::string>> clone_from(const ReadableFile& source, const CopyRange& range) override;
  Status reserve(const ReadableFile& source, const CopyRange& range) override;
  Result<CopyCounts> copy_from(const ReadableFile& source, const CopyRange& range, const CopyOptions& options,
                               const Progress& progress) override;
  Result<std::uint64_t> commit(Overwrite overwrite, Durability durability) override;

  [[nodiscard]] int descriptor() const { return fd_.get(); }

 private:
  PosixStagedFile(std::string path, std::string staged_path, FileDescriptor fd)
      : path_(std::move(path)), staged_path_(std::move(staged_path)), fd_(std::move(fd)) {}

  Result<CopyCounts> copy_data(const PosixReadableFile& source, const CopyRange& range, const CopyOptions& options,
                               const Progress& progress);
  Status give_name(Overwrite overwrite);

  std::string path_;
  std::string staged_path_;  // empty: the file has no name yet
  FileDescriptor fd_;
};

// Another name of a file, or a symbolic link to it, made by commit(). Nothing can be written to it.
class PosixStagedLink final : public StagedFile {
 public:
  // Fails where such a link cannot be made. `file` must outlive it.
  static Result<std::unique_ptr<PosixStagedLink>> create(const std::string& path, const PosixReadableFile& file,
                                                         LinkMethod method);

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Result<std::uint64_t> commit(Overwrite overwrite, Durability durability) override;

 private:
  PosixStagedLink(std::string path, const PosixReadableFile& file, LinkMethod method)
      : path_(std::move(path)), file_(file), method_(method) {}

  int link_to(const char* name) const;

  std::string path_;
  const PosixReadableFile& file_;
  LinkMethod method_;
};

// An existing output may not be replaced.
Error output_exists(const std::string& path);

}  // namespace mtpgraft
