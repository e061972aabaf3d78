#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "mtpgraft/file.h"

namespace mtpgraft {

// Hands [offset, offset + length) of `file` to `use` in order and in pieces, while a thread reads the next ones. Takes
// 1 MiB of memory, whatever the length.
Status read_ahead(const ReadableFile& file, std::uint64_t offset, std::uint64_t length,
                  const std::function<Status(std::span<const std::byte>)>& use);

}  // namespace mtpgraft
