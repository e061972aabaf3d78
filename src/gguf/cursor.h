// A bounded forward reader over a file: one buffer, little-endian values, every failure with its offset.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "mtpgraft/file.h"
#include "util/hash.h"

namespace mtpgraft {

static_assert(std::endian::native == std::endian::little, "GGUF is little-endian and is read in place");

class Cursor {
 public:
  explicit Cursor(const ReadableFile& file) : file_(file) {}

  [[nodiscard]] std::uint64_t offset() const { return base_ + position_; }
  [[nodiscard]] std::uint64_t remaining() const { return file_.size() - offset(); }

  [[nodiscard]] Error fail(std::string message, std::uint64_t offset) const {
    return {.code = ErrorCode::kMalformed, .message = std::move(message), .path = file_.path(), .offset = offset};
  }

  // The same where the file ends too early, or a length in it is wrong.
  [[nodiscard]] Error truncated(std::string message, std::uint64_t offset) const;

  [[nodiscard]] const ReadableFile& file() const { return file_; }

  // `what` names the thing for the message if the file ends inside it.
  template <class T>
  Result<T> read(std::string_view what) {
    static_assert(std::is_trivially_copyable_v<T>);
    MTPGRAFT_CHECK(need(sizeof(T), what));
    T value;
    std::memcpy(&value, buffer_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  // `length` must be small, as the limits for keys and names are; the bytes stay in one string.
  Result<std::string> read_text(std::uint64_t length, std::string_view what);

  Status skip(std::uint64_t length, std::string_view what);

  // Passes strings, each behind its length (u64), while they lie in the buffer as a whole. Returns how many of `count`.
  std::uint64_t skip_buffered_strings(std::uint64_t count);

  // Between these two, every byte passed is hashed and the first `keep_bytes` of them are kept.
  void begin_value(std::uint64_t keep_bytes);
  Digest end_value(std::vector<std::byte>& kept);

 private:
  // Where a header ends is not known. Each reading is twice as long as the one before, so that little is read in vain
  // of a short one, and a long one takes few readings; of a file on a server each is a request.
  static constexpr std::size_t kFirstReadBytes = std::size_t{1} << 14;
  static constexpr std::size_t kBufferBytes = std::size_t{1} << 19;

  // Makes `length` <= kBufferBytes bytes available at position_.
  Status need(std::uint64_t length, std::string_view what);
  void take_value();

  const ReadableFile& file_;
  std::vector<std::byte> buffer_;
  std::uint64_t base_ = 0;    // file offset of buffer_[0]
  std::size_t position_ = 0;  // next byte in buffer_
  std::size_t filled_ = 0;
  bool in_value_ = false;
  std::size_t value_from_ = 0;  // first byte in buffer_ not yet hashed
  std::uint64_t keep_bytes_ = 0;
  std::vector<std::byte> kept_;
  Hasher hasher_;
};

}  // namespace mtpgraft
