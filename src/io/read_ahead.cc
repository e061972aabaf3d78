#include "io/read_ahead.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <semaphore>
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
    for (auto& piece : pieces_) {
      piece.buffer.resize(static_cast<std::size_t>(std::min(length, kPieceBytes)));
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() {
    // Whatever the reason for ending, the thread must not wait for a free piece.
    stopped_ = true;
    free_.release();
  }

  // False if there is no thread to be had.
  bool start() {
    try {
      thread_.emplace([this] { read(); });
    } catch (const std::system_error&) {
      return false;
    }
    return true;
  }

  Status use_all(const std::function<Status(std::span<const std::byte>)>& use) {
    for (std::uint64_t index = 0; index < count(); ++index) {
      read_.acquire();
      MTPGRAFT_CHECK(piece(index).status);
      MTPGRAFT_CHECK(use(bytes(index)));
      free_.release();
    }
    return ok_status();
  }

 private:
  struct Piece {
    std::vector<std::byte> buffer;
    Status status = ok_status();
  };

  [[nodiscard]] std::uint64_t count() const { return (length_ + kPieceBytes - 1) / kPieceBytes; }
  [[nodiscard]] Piece& piece(std::uint64_t index) { return pieces_[index % kPieces]; }
  [[nodiscard]] std::span<std::byte> bytes(std::uint64_t index) {
    const auto left = length_ - index * kPieceBytes;
    return std::span(piece(index).buffer).first(static_cast<std::size_t>(std::min(kPieceBytes, left)));
  }

  void read() {
    for (std::uint64_t index = 0; index < count(); ++index) {
      free_.acquire();
      if (stopped_) {
        return;
      }
      auto status = without_exceptions([&] { return file_.read_at(offset_ + index * kPieceBytes, bytes(index)); });
      const bool has_failed = !status.ok();
      piece(index).status = std::move(status);
      read_.release();
      if (has_failed) {
        return;
      }
    }
  }

  const ReadableFile& file_;
  const std::uint64_t offset_;
  const std::uint64_t length_;
  std::array<Piece, kPieces> pieces_;
  std::counting_semaphore<kPieces + 1> free_{kPieces};  // one more at the end
  std::counting_semaphore<kPieces> read_{0};
  std::atomic<bool> stopped_ = false;
  std::optional<JoiningThread> thread_;  // the last, so that it ends before what it uses
};

}  // namespace

Status read_ahead(const ReadableFile& file, std::uint64_t offset, std::uint64_t length,
                  const std::function<Status(std::span<const std::byte>)>& use) {
  if (length > kPieces * kPieceBytes) {
    Reader reader(file, offset, length);
    if (reader.start()) {
      return reader.use_all(use);
    }
  }
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(length, kPieceBytes)));
  return read_in_pieces(file, offset, length, buffer, use);
}

}  // namespace mtpgraft
