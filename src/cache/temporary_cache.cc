#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

#include "cache/range_store.h"
#include "io/file_descriptor.h"
#include "io/posix_io.h"
#include "io/posix_readable_file.h"

namespace mtpgraft {
namespace {

// What is here of one file: a sparse file without a name, in which each part stands at its own offset.
struct UnnamedFile {
  UnnamedFile(CachedFile file_state, const std::string& directory, FileDescriptor fd)
      : state(std::move(file_state)), file(directory, std::move(fd), {}, PosixReadableFile::Lease::kNone) {}

  CachedFile state;
  PosixReadableFile file;  // its path is the directory's, for messages
  std::mutex mutex;
  std::vector<ByteRange> parts;
};

std::string temporary_directory() {
  const char* const named = std::getenv("TMPDIR");
  // Not /tmp, which may be in memory.
  return named != nullptr && *named != '\0' ? named : "/var/tmp";
}

Error advise(Error error) {
  error.hint = "what comes over the network is put there meanwhile; TMPDIR names another directory";
  return error;
}

Result<std::shared_ptr<UnnamedFile>> make_unnamed_file(const CachedFile& state) {
  const auto directory = temporary_directory();
  FileDescriptor fd(retry([&] { return ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); }));
  if (!fd.valid()) {
    auto name = directory + "/mtpgraft-XXXXXX";
    fd = FileDescriptor(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd.valid()) {
      return advise(io_error(directory, "make a temporary file"));
    }
    ::unlink(name.c_str());
  }
  return std::make_shared<UnnamedFile>(state, directory, std::move(fd));
}

class TemporaryPart final : public StoredPart {
 public:
  TemporaryPart(std::shared_ptr<UnnamedFile> file, const ByteRange& range) : file_(std::move(file)), range_(range) {}

  Status write(std::span<const std::byte> bytes) override {
    auto status = write_fully(file_->file.descriptor(), file_->file.path(), range_.offset + written_, bytes);
    written_ += bytes.size();
    return status.ok() ? std::move(status) : Status(advise(std::move(status.error())));
  }

  Status finish() override {
    const std::lock_guard lock(file_->mutex);
    file_->parts.push_back(range_);
    return ok_status();
  }

 private:
  std::shared_ptr<UnnamedFile> file_;
  ByteRange range_;
  std::uint64_t written_ = 0;
};

class TemporaryStore final : public RangeStore {
 public:
  explicit TemporaryStore(std::shared_ptr<UnnamedFile> file) : file_(std::move(file)) {}

  std::vector<ByteRange> missing(const ByteRange& range) override {
    const std::lock_guard lock(file_->mutex);
    return uncovered(range, file_->parts);
  }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) override {
    if (!missing({offset, out.size()}).empty()) {
      return Error{ErrorCode::kIo, fmt::format("bytes {}-{} are not here", offset, offset + out.size()),
                   file_->file.path(), offset};
    }
    return file_->file.read_at(offset, out);
  }

  Result<std::unique_ptr<StoredPart>> begin(const ByteRange& range) override {
    return std::unique_ptr<StoredPart>(std::make_unique<TemporaryPart>(file_, range));
  }

 private:
  std::shared_ptr<UnnamedFile> file_;
};

class TemporaryCache final : public RangeCache {
 public:
  std::optional<CachedFile> find(const std::string& url) override {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(url);
    return found != files_.end() ? std::optional(found->second->state) : std::nullopt;
  }

  Result<std::unique_ptr<RangeStore>> open(const std::string& url, const CachedFile& state) override {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(url);
    if (found != files_.end() && found->second->state == state) {
      return std::unique_ptr<RangeStore>(std::make_unique<TemporaryStore>(found->second));
    }
    MTPGRAFT_TRY(auto file, make_unnamed_file(state));
    files_[url] = file;
    return std::unique_ptr<RangeStore>(std::make_unique<TemporaryStore>(std::move(file)));
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<UnnamedFile>> files_;
};

}  // namespace

std::unique_ptr<RangeCache> make_temporary_cache() { return std::make_unique<TemporaryCache>(); }

}  // namespace mtpgraft
