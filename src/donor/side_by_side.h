// Matrices side by side: a row of each, one after the other, made of pieces of them while they are read.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "io/composed_file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

struct MatrixPart {
  std::uint64_t row_bytes;
  std::vector<FileRange> reads;  // all that is read for it
  // Whole rows from row `first` on. Called from several threads.
  std::function<Status(std::uint64_t first, std::span<std::byte> out)> read_rows;
};

void add_side_by_side(ComposedFile& file, std::vector<MatrixPart> parts, std::uint64_t rows);

}  // namespace mtpgraft
