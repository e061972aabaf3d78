// A file on a server, of which only what is read comes here.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/range_store.h"
#include "mtpgraft/file.h"
#include "net/http_client.h"

namespace mtpgraft {

// What the files of one source share.
struct RemoteSession {
  std::unique_ptr<HttpClient> http;
  std::unique_ptr<RangeCache> cache;
  std::function<Progress(std::uint64_t total_bytes)> start_progress;
  std::atomic<std::uint64_t> received_bytes = 0;
  std::mutex mutex;  // the client serves one caller at a time
};

class RemoteFile final : public ReadableFile {
 public:
  struct Place {
    std::string path;  // for messages
    std::string url;
    std::optional<std::uint64_t> size{};  // if it is known without asking
    std::string sha256{};                 // likewise
    bool is_fixed = false;                // what stands at this URL never changes
  };

  // Asks the server only if the size is not known, or if what is in the cache could be old.
  static Result<std::unique_ptr<RemoteFile>> open(Place place, std::shared_ptr<RemoteSession> session);

  [[nodiscard]] const std::string& path() const override { return place_.path; }
  [[nodiscard]] std::uint64_t size() const override { return *place_.size; }
  // Fetches just that, but at the beginning of the file somewhat more.
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override;
  // Every answer has been compared with the first.
  Status check_unchanged() const override { return ok_status(); }
  [[nodiscard]] std::optional<FileStamp> stamp() const override;
  [[nodiscard]] std::uint64_t stored_bytes() const override { return *place_.size; }

  [[nodiscard]] const std::string& sha256() const { return place_.sha256; }
  // The parts of the ranges that are not here: ascending, neighbours joined.
  [[nodiscard]] std::vector<ByteRange> missing(std::span<const ByteRange> ranges) const;

 private:
  RemoteFile(Place place, std::shared_ptr<RemoteSession> session);

  friend Status fetch(const ReadableFile& file, std::span<const ByteRange> ranges);

  Result<RangeStore*> store() const;
  // The requests for what of the ranges is not here.
  [[nodiscard]] std::vector<HttpRange> requests_for(std::span<const ByteRange> ranges) const;
  static Status fetch_all(RemoteSession& session, std::span<HttpRange> requests);

  Place place_;
  std::shared_ptr<RemoteSession> session_;
  // What follows changes under the session's mutex.
  mutable HttpFile http_file_;
  mutable std::unique_ptr<RangeStore> store_;  // from the first answer on, or if the cache has the file
};

// Sorts ranges and joins those that overlap or lie so close together that one request is less than two.
std::vector<ByteRange> merge_ranges(std::vector<ByteRange> ranges);

}  // namespace mtpgraft
