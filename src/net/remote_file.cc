#include "net/remote_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "mtpgraft/remote.h"
#include "util/checked.h"
#include "util/hash.h"

namespace mtpgraft {
namespace {

// What a first read gets: the header of a small file, and the size of any.
constexpr std::uint64_t kFirstBytes = std::uint64_t{16} << 10;

// About what a request and its answer take themselves.
constexpr std::uint64_t kGapBytesMax = 512;

// An interrupted fetch loses what it has of the four parts that are under way.
constexpr std::uint64_t kPartBytesMax = std::uint64_t{8} << 20;

std::vector<ByteRange> split_ranges(const std::vector<ByteRange>& ranges) {
  std::vector<ByteRange> parts;
  for (const auto& range : ranges) {
    for (std::uint64_t done = 0; done < range.length; done += kPartBytesMax) {
      parts.push_back({range.offset + done, std::min(kPartBytesMax, range.length - done)});
    }
  }
  return parts;
}

std::uint64_t total_bytes(std::span<const ByteRange> ranges) {
  std::uint64_t bytes = 0;
  for (const auto& range : ranges) {
    bytes += range.length;
  }
  return bytes;
}

// What is read of files on servers. They are of one source, as all files of a donor are.
std::map<const RemoteFile*, std::vector<ByteRange>> remote_reads(const ReadableFile& file,
                                                                 std::span<const ByteRange> ranges) {
  std::map<const RemoteFile*, std::vector<ByteRange>> reads;
  for (const auto& range : ranges) {
    for (const auto& [source, of_source] : file.reads(range)) {
      if (const auto* remote = dynamic_cast<const RemoteFile*>(source)) {
        reads[remote].push_back(of_source);
      }
    }
  }
  return reads;
}

}  // namespace

std::vector<ByteRange> merge_ranges(std::vector<ByteRange> ranges) {
  std::erase_if(ranges, [](const ByteRange& range) { return range.length == 0; });
  std::ranges::sort(ranges, {}, &ByteRange::offset);
  std::vector<ByteRange> merged;
  for (const auto& range : ranges) {
    if (!merged.empty() && range.offset <= merged.back().offset + merged.back().length + kGapBytesMax) {
      auto& last = merged.back();
      last.length = std::max(last.length, range.offset + range.length - last.offset);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

RemoteFile::RemoteFile(Place place, std::shared_ptr<RemoteSession> session)
    : place_(std::move(place)), session_(std::move(session)) {
  http_file_.path = place_.path;
  http_file_.url = place_.url;
  http_file_.size = place_.size;
}

Result<std::unique_ptr<RemoteFile>> RemoteFile::open(Place place, std::shared_ptr<RemoteSession> session) {
  std::unique_ptr<RemoteFile> file(new RemoteFile(std::move(place), std::move(session)));
  auto& [path, url, size, sha256, is_fixed] = file->place_;
  const std::lock_guard lock(file->session_->mutex);
  if (const auto cached = file->session_->cache->find(url); cached && (!size || size == cached->size)) {
    auto known = file->http_file_;
    known.validator = cached->validator;
    known.size = cached->size;
    bool is_current = is_fixed;
    if (!is_fixed) {
      MTPGRAFT_TRY(is_current, file->session_->http->is_unchanged(known, file->session_->start_progress(0)));
    }
    if (is_current) {
      file->http_file_ = std::move(known);
      size = cached->size;
      MTPGRAFT_CHECK(file->store());
    }
  }
  if (!size) {
    auto request = file->requests_for({{{0, kFirstBytes}}});
    MTPGRAFT_CHECK(fetch_all(*file->session_, request));
    size = file->http_file_.size;
  }
  return file;
}

Result<RangeStore*> RemoteFile::store() const {
  if (!store_) {
    MTPGRAFT_TRY(store_, session_->cache->open(place_.url, {http_file_.validator, http_file_.size.value()}));
  }
  return store_.get();
}

std::vector<ByteRange> RemoteFile::missing(std::span<const ByteRange> ranges) const {
  std::vector<ByteRange> missing;
  for (const auto& range : ranges) {
    const auto parts = store_ ? store_->missing(range) : std::vector{range};
    missing.insert(missing.end(), parts.begin(), parts.end());
  }
  return merge_ranges(std::move(missing));
}

std::vector<HttpRange> RemoteFile::requests_for(std::span<const ByteRange> ranges) const {
  const auto parts = split_ranges(missing(ranges));
  std::vector<HttpRange> requests;
  requests.reserve(parts.size());
  for (const auto& part : parts) {
    // Both functions have it; the last of them takes it away with what was not finished.
    const auto stored = std::make_shared<std::unique_ptr<StoredPart>>();
    const auto use = [this, part, stored](std::span<const std::byte> bytes) -> Status {
      if (!*stored) {
        MTPGRAFT_TRY(auto* const store, this->store());
        MTPGRAFT_TRY(*stored, store->begin({part.offset, std::min(part.length, *http_file_.size - part.offset)}));
      }
      return (*stored)->write(bytes);
    };
    const auto finish = [stored]() -> Status {
      MTPGRAFT_CHECK((*stored)->finish());
      stored->reset();
      return ok_status();
    };
    requests.push_back({&http_file_, part, use, finish});
  }
  return requests;
}

Status RemoteFile::fetch_all(RemoteSession& session, std::span<HttpRange> requests) {
  if (requests.empty()) {
    return ok_status();
  }
  std::uint64_t total_bytes = 0;
  for (const auto& request : requests) {
    total_bytes += request.range.length;
  }
  const auto tell = session.start_progress(total_bytes);
  return session.http->get_ranges(requests, [&](std::uint64_t bytes) {
    session.received_bytes += bytes;
    return !tell || tell(bytes);
  });
}

std::optional<FileStamp> RemoteFile::stamp() const {
  const auto digest = [](const std::string& text) { return digest_of(std::as_bytes(std::span(text))); };
  const std::lock_guard lock(session_->mutex);
  const auto url = digest(place_.url);
  const auto state = place_.is_fixed ? 0 : digest(http_file_.validator).low;
  return FileStamp{{0, url.high, url.low}, size(), static_cast<std::int64_t>(state)};
}

Status RemoteFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  if (!range_fits(offset, out.size(), size())) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("has no bytes {}-{}", offset, offset + out.size()),
                 .path = path(),
                 .offset = offset};
  }
  if (out.empty()) {
    return ok_status();
  }
  {
    const std::lock_guard lock(session_->mutex);
    ByteRange wanted{offset, out.size()};
    if (offset == 0) {
      wanted.length = std::min(std::max(wanted.length, kFirstBytes), size());
    }
    auto requests = requests_for({{wanted}});
    MTPGRAFT_CHECK(fetch_all(*session_, requests));
  }
  return store_->read_at(offset, out);
}

std::vector<RemoteFetch> plan_fetches(const ReadableFile& file, std::span<const ByteRange> ranges) {
  std::vector<RemoteFetch> fetches;
  for (const auto& [remote, of_remote] : remote_reads(file, ranges)) {
    RemoteFetch fetch{remote->path(), remote->size(), remote->missing(of_remote), 0, remote->sha256()};
    const auto bytes = total_bytes(merge_ranges(of_remote));
    fetch.cached_bytes = bytes - std::min(bytes, total_bytes(fetch.ranges));
    fetches.push_back(std::move(fetch));
  }
  std::ranges::sort(fetches, {}, &RemoteFetch::path);
  return fetches;
}

Status fetch(const ReadableFile& file, std::span<const ByteRange> ranges) {
  const auto reads = remote_reads(file, ranges);
  if (reads.empty()) {
    return ok_status();
  }
  auto& session = *reads.begin()->first->session_;
  const std::lock_guard lock(session.mutex);
  std::vector<HttpRange> requests;
  for (const auto& [remote, of_remote] : reads) {
    std::ranges::move(remote->requests_for(of_remote), std::back_inserter(requests));
  }
  return RemoteFile::fetch_all(session, requests);
}

}  // namespace mtpgraft
