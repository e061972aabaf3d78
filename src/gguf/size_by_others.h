// The size of a file's last tensor, where its type id does not tell it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "mtpgraft/gguf.h"

namespace mtpgraft {

// Behind every other tensor the next one's offset tells where its data end; behind the last stands only the end of the
// file, which may have been cut or have bytes of something else. Rows of one type and length have equal sizes, so the
// `others` of the file, whose sizes are known up to their padding, tell how long a row is. `available` are the bytes up
// to the end of the file. Returns nothing where the others do not tell; UINT64_MAX for what no file can hold.
std::optional<std::uint64_t> find_size_by_others(std::span<const TensorInfo> others, const TensorInfo& last,
                                                 std::uint64_t alignment, std::uint64_t available);

// Whether the table of types tells the size of the tensor's data, and it is so. Otherwise only offsets tell it, and
// they count the padding.
bool has_table_size(const TensorInfo& tensor);

// Whether every tensor of that type among `tensors` has the size that the table of types says. True if there is none.
bool has_table_sizes(std::span<const TensorInfo> tensors, std::uint32_t type);

}  // namespace mtpgraft
