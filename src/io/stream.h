// Small loops over files that more than one layer needs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "mtpgraft/file.h"

namespace mtpgraft {

// Tells `progress`, if it is set, of `bytes` more; fails with kInterrupted if it asks to stop.
inline Status report_progress(const Progress& progress, std::uint64_t bytes) {
  return !progress || progress(bytes)
             ? ok_status()
             : Status(Error{.code = ErrorCode::kInterrupted, .message = "interrupted", .is_retryable = true});
}

// Hands that many zeros to `use(bytes)`, which returns a Status, in pieces.
template <class Use>
Status in_zeros(std::uint64_t length, Use use) {
  static constexpr std::array<std::byte, 65536> kZeros{};
  while (length > 0) {
    const auto piece =
        std::span(kZeros).first(static_cast<std::size_t>(std::min<std::uint64_t>(length, kZeros.size())));
    MTPGRAFT_CHECK(use(piece));
    length -= piece.size();
  }
  return ok_status();
}

// Shows `observe`, if it is set, that many zeros.
inline void show_zeros(const ByteSink& observe, std::uint64_t length) {
  if (observe) {
    (void)in_zeros(length, [&](std::span<const std::byte> zeros) {
      observe(zeros);
      return ok_status();
    }).ok();
  }
}

// Hands [offset, offset + length) of `file` to `use(bytes)`, which returns a Status, in order and in pieces of at most
// `buffer.size()` bytes.
template <class Use>
Status read_in_pieces(const ReadableFile& file, std::uint64_t offset, std::uint64_t length, std::span<std::byte> buffer,
                      Use use) {
  for (std::uint64_t done = 0; done < length;) {
    const auto piece = buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), length - done)));
    MTPGRAFT_CHECK(file.read_at(offset + done, piece));
    MTPGRAFT_CHECK(use(std::span<const std::byte>(piece)));
    done += piece.size();
  }
  return ok_status();
}

}  // namespace mtpgraft
