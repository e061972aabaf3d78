#include "donor/row_order.h"

#include <utility>

#include "model/mapping.h"

namespace mtpgraft {
namespace {

std::vector<RowRange> interleave_halves(std::uint64_t rows, std::uint64_t width) {
  std::vector<RowRange> ranges;
  for (std::uint64_t head = 0; head < rows; head += width) {
    for (std::uint64_t row = head; row < head + width / 2; ++row) {
      ranges.push_back({row, 1});
      ranges.push_back({row + width / 2, 1});
    }
  }
  return ranges;
}

std::vector<RowRange> part_pairs(std::uint64_t rows, std::uint64_t width, std::uint64_t rotated) {
  if (rotated == 0) {
    return {{0, rows}};
  }
  std::vector<RowRange> ranges;
  for (std::uint64_t head = 0; head < rows; head += width) {
    for (const auto parity : {std::uint64_t{0}, std::uint64_t{1}}) {
      for (auto row = head + parity; row < head + rotated; row += 2) {
        ranges.push_back({row, 1});
      }
    }
    if (rotated < width) {
      ranges.push_back({head + rotated, width - rotated});
    }
  }
  return ranges;
}

}  // namespace

std::vector<OrderedRows> order_rows(Transform transform, const std::string& name, std::uint64_t rows,
                                    const HeadConfig& config) {
  if (transform == Transform::kSplitIndexer) {
    const auto queries = config.indexer_query_rows;
    const auto key_name = second_name(transform, name);
    return queries > 0 && queries < rows
               ? std::vector<OrderedRows>{{name, {{0, queries}}}, {key_name, {{queries, rows - queries}}}}
               : std::vector<OrderedRows>();
  }
  const auto width = config.head_width;
  if (width == 0 || rows % width != 0 || rows > kRowsMax) {
    return {};
  }
  if (transform == Transform::kInterleaveHalves) {
    return width % 2 == 0 ? std::vector<OrderedRows>{{name, interleave_halves(rows, width)}}
                          : std::vector<OrderedRows>();
  }
  return config.rotated_width % 2 == 0 ? std::vector<OrderedRows>{{name, part_pairs(rows, width, config.rotated_width)}}
                                       : std::vector<OrderedRows>();
}

}  // namespace mtpgraft
