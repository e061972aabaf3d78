// Which rows of a checkpoint's matrix a GGUF's tensor has, and in which order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "donor/config.h"
#include "model/families.h"

namespace mtpgraft {

struct RowRange {
  std::uint64_t first;
  std::uint64_t count;
};

struct OrderedRows {
  std::string name;  // of the GGUF's tensor
  std::vector<RowRange> ranges;
};

// Rows that are put in order: each is a piece of its own. The largest models have 65,536.
inline constexpr std::uint64_t kRowsMax = std::uint64_t{1} << 17;

// Of a transform that orders rows, the tensors that it makes of `rows` rows, the first being `name`. Empty if
// config.json does not tell how, or tells numbers that `rows` contradicts.
std::vector<OrderedRows> order_rows(Transform transform, const std::string& name, std::uint64_t rows,
                                    const HeadConfig& config);

}  // namespace mtpgraft
