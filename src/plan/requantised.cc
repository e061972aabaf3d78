#include "plan/requantised.h"

#include <algorithm>
#include <unordered_set>

#include "util/checked.h"

namespace mtpgraft {

bool has_other_sizes(const Record& record, const GgufFile& file, const Head& head) {
  if (record.head.tensor_count == head.tensors.size() && record.head.bytes != head.bytes) {
    return true;
  }
  // Of a split model the record has the size of the first file.
  const std::unordered_set<std::size_t> in_head(head.tensors.begin(), head.tensors.end());
  std::uint64_t tensors = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < file.files.front().tensor_count; ++i) {
    if (!in_head.contains(i)) {
      ++tensors;
      bytes += align_up(file.tensors[i].size_bytes, file.alignment);
    }
  }
  const auto& origin = record.origin;
  const auto data_bytes = origin.size - std::min(origin.size, origin.data_offset);
  // The padding of the last tensor may be missing.
  return tensors == origin.tensor_count && std::max(bytes, data_bytes) - std::min(bytes, data_bytes) >= file.alignment;
}

}  // namespace mtpgraft
