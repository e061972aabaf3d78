#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "mtpgraft/file.h"

namespace mtpgraft {

// As much as stays in the cache of a core between reading and using it; the system joins the requests.
inline constexpr std::uint64_t kReadAheadPieceBytes = std::uint64_t{256} << 10;

// Hands [offset, offset + length) of `file` to `use` in order and in pieces, while a thread reads the next ones. Takes
// 1 MiB of memory, whatever the length.
Status read_ahead(const ReadableFile& file, std::uint64_t offset, std::uint64_t length,
                  const std::function<Status(std::span<const std::byte>)>& use);

struct ReadAheadOptions {
  std::size_t threads = 1;  // besides the caller's; each takes two pieces more of memory
  std::uint64_t piece_bytes = kReadAheadPieceBytes;
  // Is shown each piece before `use`, by its index, in the thread that read it; so in no order. May be empty.
  std::function<void(std::size_t index, std::span<const std::byte> piece)> look{};
};

Status read_ahead(const ReadableFile& file, std::uint64_t offset, std::uint64_t length, const ReadAheadOptions& options,
                  const std::function<Status(std::span<const std::byte>)>& use);

}  // namespace mtpgraft
