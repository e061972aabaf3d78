#include "io/read_ahead.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <vector>

#include "io/stream.h"
#include "util/threads.h"

namespace mtpgraft {
namespace {

// As much as stays in the cache of a core between reading and using it; the system joins the requests.
constexpr std::uint64_t kPieceBytes = std::uint64_t{256} << 10;
constexpr std::size_t kPieces = 4;

class Reader {
 public:
  Reader(const ReadableFile& file, std::uint64_t offset, std::uint64_t length)
      : file_(file), offset_(offset), length_(length) {
    for (auto& buffer : buffers_) {
      buffer.resize(static_cast<std::size_t>(std::min(length, kPieceBytes)));
    }
  }

  Status run(const std::function<Status(std::span<const std::byte>)>& use) {
    const JoiningThread thread([this] { read(); });
    auto status = use_all(use);
    // Whatever the reason for ending, the thread must not wait for more room.
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
    return status;
  }

 private:
  [[nodiscard]] std::uint64_t count() const { return (length_ + kPieceBytes - 1) / kPieceBytes; }
  [[nodiscard]] std::span<std::byte> piece(std::uint64_t index) {
    return std::span(buffers_[index % kPieces])
        .first(static_cast<std::size_t>(std::min(kPieceBytes, length_ - index * kPieceBytes)));
  }

  void read() {
    for (std::uint64_t index = 0; index < count(); ++index) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopped_ || index - used_ < kPieces; });
        if (stopped_) {
          return;
        }
      }
      auto status = file_.read_at(offset_ + index * kPieceBytes, piece(index));
      const std::lock_guard lock(mutex_);
      if (!status.ok()) {
        failure_ = std::move(status.error());
      }
      read_ = index + 1;
      changed_.notify_all();
      if (failure_) {
        return;
      }
    }
  }

  Status use_all(const std::function<Status(std::span<const std::byte>)>& use) {
    for (std::uint64_t index = 0; index < count(); ++index) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return read_ > index; });
        if (failure_ && read_ == index + 1) {
          return *failure_;
        }
      }
      MTPGRAFT_CHECK(use(piece(index)));
      const std::lock_guard lock(mutex_);
      used_ = index + 1;
      changed_.notify_all();
    }
    return ok_status();
  }

  const ReadableFile& file_;
  const std::uint64_t offset_;
  const std::uint64_t length_;
  std::array<std::vector<std::byte>, kPieces> buffers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t read_ = 0;  // pieces
  std::uint64_t used_ = 0;
  bool stopped_ = false;
  std::optional<Error> failure_;  // of the last piece read
};

}  // namespace

Status read_ahead(const ReadableFile& file, std::uint64_t offset, std::uint64_t length,
                  const std::function<Status(std::span<const std::byte>)>& use) {
  if (length > kPieces * kPieceBytes) {
    try {
      return Reader(file, offset, length).run(use);
    } catch (const std::system_error&) {
      // No thread to be had, and nothing done yet.
    }
  }
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(length, kPieceBytes)));
  return read_in_pieces(file, offset, length, buffer, use);
}

}  // namespace mtpgraft
