#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "cache/range_store.h"
#include "io/directory.h"

namespace mtpgraft {
namespace {

// What is here of one file: each part stands at its own offset.
struct PartialFile {
  PartialFile(CachedFile file_state, std::string file_url, std::unique_ptr<TemporaryFile> temporary)
      : state(std::move(file_state)), url(std::move(file_url)), file(std::move(temporary)) {}

  CachedFile state;
  std::string url;
  std::unique_ptr<TemporaryFile> file;
  std::mutex mutex;
  std::vector<ByteRange> parts;
};

Error advise(Error error) {
  error.hint = "what comes over the network is put there meanwhile; TMPDIR names another directory";
  return error;
}

class TemporaryPart final : public StoredPart {
 public:
  TemporaryPart(std::shared_ptr<PartialFile> file, const ByteRange& range) : file_(std::move(file)), range_(range) {}

  Status write(std::span<const std::byte> bytes) override {
    auto status = file_->file->write_at(range_.offset + written_, bytes);
    written_ += bytes.size();
    return status.ok() ? std::move(status) : Status(advise(std::move(status.error())));
  }

  Status finish() override {
    const std::lock_guard lock(file_->mutex);
    file_->parts.push_back(range_);
    return ok_status();
  }

 private:
  std::shared_ptr<PartialFile> file_;
  ByteRange range_;
  std::uint64_t written_ = 0;
};

class TemporaryStore final : public RangeStore {
 public:
  explicit TemporaryStore(std::shared_ptr<PartialFile> file) : file_(std::move(file)) {}

  std::vector<ByteRange> missing(const ByteRange& range) override {
    const std::lock_guard lock(file_->mutex);
    return uncovered(range, file_->parts);
  }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) override {
    if (!missing({offset, out.size()}).empty()) {
      return Error{.code = ErrorCode::kIo,
                   .message = fmt::format("bytes {}-{} are not here", offset, offset + out.size()),
                   .path = file_->url,
                   .offset = offset};
    }
    return file_->file->read_at(offset, out);
  }

  Result<std::unique_ptr<StoredPart>> begin(const ByteRange& range) override {
    return std::unique_ptr<StoredPart>(std::make_unique<TemporaryPart>(file_, range));
  }

 private:
  std::shared_ptr<PartialFile> file_;
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
    auto opened = make_temporary_file();
    if (!opened.ok()) {
      return advise(std::move(opened.error()));
    }
    const auto file = std::make_shared<PartialFile>(state, url, std::move(opened).value());
    files_[url] = file;
    return std::unique_ptr<RangeStore>(std::make_unique<TemporaryStore>(file));
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<PartialFile>> files_;
};

}  // namespace

std::unique_ptr<RangeCache> make_temporary_cache() { return std::make_unique<TemporaryCache>(); }

}  // namespace mtpgraft
