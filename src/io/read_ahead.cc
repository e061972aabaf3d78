#include "io/read_ahead.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <vector>

#include "util/threads.h"

namespace mtpgraft {
namespace {

using Use = std::function<Status(std::span<const std::byte>)>;

// Pieces are read by whoever is free: the threads, as far ahead as there are buffers, and the caller, who reads the
// piece that it needs next if nobody has begun it. So it also works where there is no thread to be had.
class Reader {
 public:
  Reader(const ReadableFile& file, std::uint64_t offset, std::uint64_t length, const ReadAheadOptions& options)
      : file_(file),
        offset_(offset),
        length_(length),
        options_(options),
        count_(static_cast<std::size_t>((length + options.piece_bytes - 1) / options.piece_bytes)),
        pieces_(std::min(count_, 2 * options.threads + 2)) {
    for (auto& piece : pieces_) {
      piece.buffer.resize(static_cast<std::size_t>(std::min(length, options.piece_bytes)));
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() {
    // Whatever the reason for ending, no thread must wait for a free buffer.
    {
      const std::lock_guard lock(mutex_);
      next_ = count_;
    }
    changed_.notify_all();
  }

  Status run(const Use& use) {
    start_threads();
    for (std::size_t index = 0; index < count_; ++index) {
      if (!take(index)) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return piece(index).is_read; });
      }
      MTPGRAFT_CHECK(piece(index).status);
      MTPGRAFT_CHECK(use(bytes(index)));
      {
        const std::lock_guard lock(mutex_);
        piece(index).is_read = false;
        used_ = index + 1;
      }
      changed_.notify_all();
    }
    return ok_status();
  }

 private:
  struct Piece {
    std::vector<std::byte> buffer;
    Status status = ok_status();
    bool is_read = false;
  };

  [[nodiscard]] Piece& piece(std::size_t index) { return pieces_[index % pieces_.size()]; }
  [[nodiscard]] std::span<std::byte> bytes(std::size_t index) {
    const auto left = length_ - index * options_.piece_bytes;
    return std::span(piece(index).buffer).first(static_cast<std::size_t>(std::min(options_.piece_bytes, left)));
  }

  // Where all is soon read, starting them costs more than it saves.
  void start_threads() {
    constexpr std::size_t kPiecesAlone = 4;
    const auto wanted = count_ > kPiecesAlone ? options_.threads : 0;
    try {
      for (std::size_t i = 0; i < wanted; ++i) {
        threads_.emplace_back([this] { read_ahead_of_use(); });
      }
    } catch (const std::system_error&) {
      // Those that there are do it.
    }
  }

  void read(std::size_t index) {
    piece(index).status = without_exceptions([&]() -> Status {
      MTPGRAFT_CHECK(file_.read_at(offset_ + index * options_.piece_bytes, bytes(index)));
      if (options_.look) {
        options_.look(index, bytes(index));
      }
      return ok_status();
    });
  }

  // Reads a piece in the caller's thread, unless another has begun it.
  bool take(std::size_t index) {
    {
      const std::lock_guard lock(mutex_);
      if (next_ != index) {
        return false;
      }
      ++next_;
    }
    read(index);
    return true;
  }

  void read_ahead_of_use() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return next_ >= count_ || next_ < used_ + pieces_.size(); });
      if (next_ >= count_) {
        return;
      }
      const auto index = next_++;
      lock.unlock();
      read(index);
      lock.lock();
      piece(index).is_read = true;
      changed_.notify_all();
    }
  }

  const ReadableFile& file_;
  const std::uint64_t offset_;
  const std::uint64_t length_;
  const ReadAheadOptions& options_;
  const std::size_t count_;
  std::vector<Piece> pieces_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_ = 0;                // the first piece that nobody has begun to read
  std::size_t used_ = 0;                // pieces that were handed out
  std::vector<JoiningThread> threads_;  // the last, so that they end before what they use
};

}  // namespace

Status read_ahead(const ReadableFile& file, std::uint64_t offset, std::uint64_t length, const Use& use) {
  return read_ahead(file, offset, length, {}, use);
}

Status read_ahead(const ReadableFile& file, std::uint64_t offset, std::uint64_t length, const ReadAheadOptions& options,
                  const Use& use) {
  return length == 0 ? ok_status() : Reader(file, offset, length, options).run(use);
}

}  // namespace mtpgraft
