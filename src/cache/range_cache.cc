#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "cache/cache_entry.h"
#include "cache/range_store.h"
#include "io/directory.h"
#include "io/stream.h"
#include "mtpgraft/digest.h"
#include "util/checked.h"
#include "util/hash.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;

bool holds(const ByteRange& range, std::uint64_t offset) {
  return range.offset <= offset && offset - range.offset < range.length;
}

bool overlap(const ByteRange& a, const ByteRange& b) { return holds(a, b.offset) || holds(b, a.offset); }

// Whether the file of a part has the bytes that were stored.
bool is_intact(const ReadableFile& file, std::uint64_t length) {
  if (file.size() != checked_add(length, kPartDigestBytes)) {
    return false;
  }
  Hasher hasher;
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kReadBytes, length)));
  const auto read = read_in_pieces(file, 0, length, buffer, [&](std::span<const std::byte> piece) {
    hasher.update(piece);
    return ok_status();
  });
  std::string digest(kPartDigestBytes, '\0');
  return read.ok() && file.read_at(length, std::as_writable_bytes(std::span(digest))).ok() &&
         digest == to_hex(hasher.finish());
}

class CacheStore final : public RangeStore {
 public:
  CacheStore(std::string directory, CacheSource source, FileSystem& files)
      : directory_(std::move(directory)),
        source_(std::move(source)),
        path_(fmt::format("{}/{}", directory_, entry_name(source_.url))),
        state_(state_of(source_)),
        files_(files) {}

  // Finds what is there. Parts of another state, and what cannot be parts, go.
  void find_parts() {
    const auto entry = find_entry(path_);
    if (!entry) {
      return;
    }
    for (const auto& part : parts_in(*entry)) {
      const auto range = part.name.range;
      if (!part.is_whole || part.name.state != state_ || range.length == 0 ||
          !range_fits(range.offset, range.length, source_.file.size)) {
        (void)entry->remove(format_part_name(part.name)).ok();
      } else {
        parts_[key_of(range)];
      }
    }
    touch_source(*entry);
  }

  std::vector<ByteRange> missing(const ByteRange& range) override {
    std::vector<ByteRange> here;
    for (const auto& part : listed_parts()) {
      if (overlap(part, range)) {
        const auto file = open_part(part);
        if (file.ok() && file.value()) {
          here.push_back(part);
        }
      }
    }
    return uncovered(range, std::move(here));
  }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) override {
    const auto parts = listed_parts();
    while (!out.empty()) {
      std::unique_ptr<ReadableFile> file;
      ByteRange part{};
      for (auto next = parts.begin(); !file && next != parts.end(); ++next) {
        if (holds(*next, offset)) {
          part = *next;
          auto opened = open_part(part);
          if (!opened.ok()) {
            return advise(std::move(opened.error()));
          }
          file = std::move(opened).value();
        }
      }
      if (!file) {
        return Error{.code = ErrorCode::kIo,
                     .message = fmt::format("bytes {}-{} are not in the cache any more", offset, offset + out.size()),
                     .path = source_.url,
                     .offset = offset,
                     .hint = "another program has cleared the cache; try again",
                     .remedy = Remedy::kWithoutCache,
                     .is_retryable = true};
      }
      const auto skipped = offset - part.offset;
      const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), part.length - skipped));
      MTPGRAFT_CHECK(file->read_at(skipped, out.first(bytes)));
      offset += bytes;
      out = out.subspan(bytes);
    }
    return ok_status();
  }

  Result<std::unique_ptr<StoredPart>> begin(const ByteRange& range) override;

  // Makes the directory, with the `source` of this state in it.
  Status make_entry() {
    std::error_code ignored;  // making the directory itself fails then
    std::filesystem::create_directories(as_path(parent_of(directory_)), ignored);
    MTPGRAFT_CHECK(make_private_directory(directory_));
    MTPGRAFT_CHECK(make_private_directory(path_));
    MTPGRAFT_TRY(const auto entry, open_own_directory(path_));
    const auto text = format_source(source_);
    const auto now = entry ? read_source(*entry) : std::nullopt;
    if (now && format_source(*now) == text) {
      return ok_status();
    }
    MTPGRAFT_TRY(const auto staged, files_.stage(fmt::format("{}/{}", path_, kSourceName), text.size()));
    MTPGRAFT_CHECK(staged->write_at(0, std::as_bytes(std::span(text))));
    MTPGRAFT_CHECK(staged->commit(Overwrite::kYes, Durability::kNoSync));
    return ok_status();
  }

  // The part is committed.
  void add(const ByteRange& range) {
    if (const auto entry = find_entry(path_)) {
      touch_source(*entry);
    }
    const std::lock_guard lock(mutex_);
    parts_[key_of(range)].reset();
  }

  // An error of writing to the cache, with what can be done about it.
  [[nodiscard]] Error advise(Error error) const {
    error.hint.clear();
    error.remedy = Remedy::kWithoutCache;
    error.subject = directory_;
    return error;
  }

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;

  static Key key_of(const ByteRange& range) { return {range.offset, range.length}; }

  std::vector<ByteRange> listed_parts() {
    const std::lock_guard lock(mutex_);
    std::vector<ByteRange> parts;
    for (const auto& [key, stamp] : parts_) {
      parts.push_back({key.first, key.second});
    }
    return parts;
  }

  // Null, and not listed any more, if it is gone or damaged. Opened for each use, as a head has hundreds of parts; what
  // is opened is read through unless it is the file that was found intact.
  Result<std::unique_ptr<ReadableFile>> open_part(const ByteRange& range) {
    const auto name = format_part_name({state_, range});
    MTPGRAFT_TRY(const auto entry, open_own_directory(path_));
    std::unique_ptr<ReadableFile> file;
    if (entry) {
      MTPGRAFT_TRY(file, entry->open(name));
    }
    const auto key = key_of(range);
    if (file) {
      std::unique_lock lock(mutex_);
      const auto found = parts_.find(key);
      const bool is_known = found != parts_.end() && found->second == file->stamp();
      lock.unlock();
      if (is_known) {
        return file;
      }
      if (is_intact(*file, range.length)) {
        lock.lock();
        parts_[key] = file->stamp();
        return file;
      }
      (void)entry->remove(name).ok();
    }
    const std::lock_guard lock(mutex_);
    parts_.erase(key);
    return std::unique_ptr<ReadableFile>();
  }

  Result<std::unique_ptr<StagedFile>> stage_part(const ByteRange& range) {
    MTPGRAFT_CHECK(make_entry());
    return files_.stage(fmt::format("{}/{}", path_, format_part_name({state_, range})),
                        range.length + kPartDigestBytes);
  }

  const std::string directory_;
  const CacheSource source_;
  const std::string path_;
  const std::uint64_t state_;
  FileSystem& files_;

  std::mutex mutex_;
  // By offset and length, with the stamp of the file that was found intact.
  std::map<Key, std::optional<FileStamp>> parts_;
};

class CachePart final : public StoredPart {
 public:
  CachePart(CacheStore& store, const ByteRange& range, std::unique_ptr<StagedFile> staged)
      : store_(store), range_(range), staged_(std::move(staged)) {}

  Status write(std::span<const std::byte> bytes) override {
    auto status = staged_->write_at(written_, bytes);
    hasher_.update(bytes);
    written_ += bytes.size();
    return status.ok() ? std::move(status) : Status(store_.advise(std::move(status.error())));
  }

  Status finish() override {
    auto status = commit();
    if (!status.ok()) {
      return store_.advise(std::move(status.error()));
    }
    store_.add(range_);
    return ok_status();
  }

 private:
  Status commit() {
    const auto digest = to_hex(hasher_.finish());
    MTPGRAFT_CHECK(staged_->write_at(range_.length, std::as_bytes(std::span(digest))));
    MTPGRAFT_CHECK(store_.make_entry());  // again: another program may have cleared the cache meanwhile
    MTPGRAFT_CHECK(staged_->commit(Overwrite::kYes, Durability::kNoSync));
    return ok_status();
  }

  CacheStore& store_;
  ByteRange range_;
  std::unique_ptr<StagedFile> staged_;
  Hasher hasher_;
  std::uint64_t written_ = 0;
};

Result<std::unique_ptr<StoredPart>> CacheStore::begin(const ByteRange& range) {
  auto staged = stage_part(range);
  if (!staged.ok()) {
    return advise(std::move(staged.error()));
  }
  return std::unique_ptr<StoredPart>(std::make_unique<CachePart>(*this, range, std::move(staged).value()));
}

class DirectoryCache final : public RangeCache {
 public:
  DirectoryCache(std::string directory, FileSystem& files) : directory_(std::move(directory)), files_(files) {}

  std::optional<CachedFile> find(const std::string& url) override {
    const auto entry = find_entry(fmt::format("{}/{}", directory_, entry_name(url)));
    const auto source = entry ? read_source(*entry) : std::nullopt;
    return source && source->url == url ? std::optional(source->file) : std::nullopt;
  }

  Result<std::unique_ptr<RangeStore>> open(const std::string& url, const CachedFile& file) override {
    if (url.find('\n') != std::string::npos || file.validator.find('\n') != std::string::npos) {
      return Error{.code = ErrorCode::kUnsupported,
                   .message = "the URL, or the ETag of the file, has a line break",
                   .path = url};
    }
    if (file.validator.empty()) {
      return make_temporary_cache()->open(url, file);  // nothing would tell whether its parts are still true
    }
    auto store = std::make_unique<CacheStore>(directory_, CacheSource{url, file}, files_);
    store->find_parts();
    return std::unique_ptr<RangeStore>(std::move(store));
  }

 private:
  std::string directory_;
  FileSystem& files_;
};

}  // namespace

std::unique_ptr<RangeCache> make_range_cache(std::string directory, FileSystem& files) {
  return std::make_unique<DirectoryCache>(std::move(directory), files);
}

}  // namespace mtpgraft
