#include "gguf/cursor.h"

#include <fmt/core.h>

#include <algorithm>

#include "gguf/foreign.h"

namespace mtpgraft {

Error Cursor::truncated(std::string message, std::uint64_t offset) const {
  return explain_truncation(fail(std::move(message), offset), file_);
}

Status Cursor::need(std::uint64_t length, std::string_view what) {
  if (filled_ - position_ >= length) {
    return ok_status();
  }
  if (length > remaining()) {
    return truncated(fmt::format("{} needs {} bytes, but only {} are left in the file", what, length, remaining()),
                     offset());
  }
  take_value();
  base_ += position_;
  position_ = 0;
  value_from_ = 0;
  buffer_.resize(
      std::max(std::clamp(2 * buffer_.size(), kFirstReadBytes, kBufferBytes), static_cast<std::size_t>(length)));
  filled_ = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), file_.size() - base_));
  return file_.read_at(base_, std::span(buffer_).first(filled_));
}

Result<std::string> Cursor::read_text(std::uint64_t length, std::string_view what) {
  MTPGRAFT_CHECK(need(length, what));
  std::string text(length, '\0');
  std::memcpy(text.data(), buffer_.data() + position_, length);
  position_ += length;
  return text;
}

Status Cursor::skip(std::uint64_t length, std::string_view what) {
  if (length > remaining()) {
    return need(length, what);
  }
  while (length > 0) {
    MTPGRAFT_CHECK(need(1, what));
    const auto step = std::min<std::uint64_t>(length, filled_ - position_);
    position_ += step;
    length -= step;
  }
  return ok_status();
}

std::uint64_t Cursor::skip_buffered_strings(std::uint64_t count) {
  std::uint64_t passed = 0;
  auto position = position_;
  while (passed < count && filled_ - position >= sizeof(std::uint64_t)) {
    std::uint64_t length = 0;
    std::memcpy(&length, buffer_.data() + position, sizeof(length));
    if (length > filled_ - position - sizeof(length)) {
      break;
    }
    position += sizeof(length) + static_cast<std::size_t>(length);
    ++passed;
  }
  position_ = position;
  return passed;
}

void Cursor::begin_value(std::uint64_t keep_bytes) {
  in_value_ = true;
  value_from_ = position_;
  keep_bytes_ = keep_bytes;
  kept_.clear();
}

void Cursor::take_value() {
  if (!in_value_) {
    return;
  }
  const auto passed = std::span(buffer_).subspan(value_from_, position_ - value_from_);
  hasher_.update(passed);
  const auto keep = std::min<std::uint64_t>(passed.size(), keep_bytes_ - kept_.size());
  kept_.insert(kept_.end(), passed.begin(), passed.begin() + static_cast<std::ptrdiff_t>(keep));
  value_from_ = position_;
}

Digest Cursor::end_value(std::vector<std::byte>& kept) {
  take_value();
  in_value_ = false;
  kept.assign(kept_.begin(), kept_.end());
  return hasher_.finish();
}

}  // namespace mtpgraft
