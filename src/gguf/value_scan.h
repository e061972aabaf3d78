// Looks at the values of a tensor for what no trained model has: NaN and infinity, nothing but zeros, and long runs of
// zero bytes, which an interrupted download leaves behind. A tensor is scanned in pieces, whose findings are then
// joined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "gguf/block_layouts.h"
#include "mtpgraft/file.h"

namespace mtpgraft {

// Shorter ones may be rows of zeros, which models have.
inline constexpr std::uint64_t kZeroRunBytesMin = std::uint64_t{64} << 10;

// How a tensor's bytes are to be read.
struct ScannedType {
  const BlockLayout* layout;  // null: only zero bytes are looked for
  std::uint32_t block_bytes;  // 1 if the layout is null
  std::uint64_t zero_run_bytes_min = kZeroRunBytesMin;
};

ScannedType scanned_type(const TensorInfo& tensor);

struct NotFinite {
  std::uint64_t count = 0;   // of values; of scales, if the type has blocks
  std::uint64_t block = 0;   // the first such one is in this block of the tensor; of a plain float it is the element
  std::uint64_t offset = 0;  // of the first one, from the start of the tensor's data
  bool is_nan = false;       // the first one is, and not an infinity
};

// What a piece of a tensor has. Offsets are from the start of the piece.
struct PieceScan {
  std::uint64_t bytes = 0;
  std::optional<NotFinite> not_finite;
  bool is_zero = true;              // every value is 0 or -0
  std::uint64_t leading_zeros = 0;  // bytes; all of them if there is no other
  std::uint64_t trailing_zeros = 0;
  std::vector<ByteRange> zero_runs;  // of at least ScannedType::zero_run_bytes_min, that touch neither end
};

// `bytes` are whole blocks.
PieceScan scan_piece(const ScannedType& type, std::span<const std::byte> bytes);

// What a tensor has. Offsets are from the start of its data.
struct TensorScan {
  std::optional<NotFinite> not_finite;
  bool is_zero = true;
  ByteRange zero_run{};  // the first one of at least ScannedType::zero_run_bytes_min
  std::uint64_t zero_run_count = 0;
};

// `pieces` are all of the tensor, in order.
TensorScan join_pieces(const ScannedType& type, std::span<const PieceScan> pieces);

}  // namespace mtpgraft
