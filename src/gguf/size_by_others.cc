#include "gguf/size_by_others.h"

#include <algorithm>

#include "gguf/tensor_types.h"
#include "util/checked.h"

namespace mtpgraft {
namespace {

std::uint64_t count_rows(const TensorInfo& tensor) { return tensor.element_count() / tensor.shape[0]; }

}  // namespace

std::optional<std::uint64_t> find_size_by_others(std::span<const TensorInfo> others, const TensorInfo& last,
                                                 std::uint64_t alignment, std::uint64_t available) {
  // What the bytes of a row may be, so that each of the others ends within the padding before the next tensor.
  std::uint64_t row_bytes_min = 1;
  std::uint64_t row_bytes_max = UINT64_MAX;
  for (const auto& other : others) {
    if (other.type == last.type && other.shape[0] == last.shape[0]) {
      const auto padded_bytes = align_up(other.size_bytes, alignment);
      const auto rows = count_rows(other);
      row_bytes_min = std::max(row_bytes_min, (padded_bytes - alignment) / rows + 1);
      row_bytes_max = std::min(row_bytes_max, padded_bytes / rows);
    }
  }
  if (row_bytes_max == UINT64_MAX || row_bytes_min > row_bytes_max) {
    return std::nullopt;
  }
  const auto bytes_min = checked_mul(row_bytes_min, count_rows(last)).value_or(UINT64_MAX);
  if (row_bytes_min == row_bytes_max || bytes_min >= available) {
    return bytes_min;
  }
  const auto bytes_max = checked_mul(row_bytes_max, count_rows(last)).value_or(UINT64_MAX);
  return std::min(available, checked_align_up(bytes_max, alignment).value_or(UINT64_MAX));
}

bool has_table_size(const TensorInfo& tensor) {
  const auto* type = find_tensor_type(tensor.type);
  return type != nullptr && type->block_elements != 0 && tensor.shape[0] % type->block_elements == 0 &&
         tensor_bytes(*type, tensor.shape) == tensor.size_bytes;
}

bool has_table_sizes(std::span<const TensorInfo> tensors, std::uint32_t type) {
  const auto* known = find_tensor_type(type);
  const auto is_as_table = [&](const TensorInfo& tensor) { return tensor.type != type || has_table_size(tensor); };
  return known != nullptr && known->block_elements != 0 && std::ranges::all_of(tensors, is_as_table);
}

}  // namespace mtpgraft
