#include "gguf/value_scan.h"

#include <algorithm>

#include "gguf/load.h"
#include "gguf/tensor_types.h"

namespace mtpgraft {
namespace {

// The bits of one number: `kExponent` are those of the exponent, all of them set in what is not finite.
template <class T, T kExponent>
struct Ieee {
  using Word = T;
  static Word word(const std::byte* from) { return load<Word>(from); }
  static bool is_finite(Word bits) { return (bits & kExponent) != kExponent; }
  static bool is_nan(Word bits) { return magnitude(bits) > kExponent; }
  static bool is_zero(Word bits) { return magnitude(bits) == 0; }
  static Word magnitude(Word bits) { return bits & static_cast<Word>(~(Word{1} << (8 * sizeof(Word) - 1))); }
};

using F32Bits = Ieee<std::uint32_t, 0x7F800000>;
using F16Bits = Ieee<std::uint16_t, 0x7C00>;
using Bf16Bits = Ieee<std::uint16_t, 0x7F80>;

struct F16NibbleBits : F16Bits {
  static Word word(const std::byte* from) {
    unsigned bits = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      bits |= static_cast<unsigned>(load<std::uint16_t>(from + 2 * i) >> 12) << (4 * i);
    }
    return static_cast<Word>(bits);
  }
};

struct E8m0Bits {
  using Word = std::uint8_t;
  static Word word(const std::byte* from) { return load<Word>(from); }
  static bool is_finite(Word bits) { return bits != 0xFF; }
  static bool is_nan(Word bits) { return !is_finite(bits); }
  static bool is_zero(Word /*bits*/) { return false; }
};

struct Ue4m3Bits {
  using Word = std::uint8_t;
  static Word word(const std::byte* from) { return load<Word>(from); }
  static bool is_finite(Word bits) { return (bits & 0x7F) != 0x7F; }
  static bool is_nan(Word bits) { return !is_finite(bits); }
  static bool is_zero(Word bits) { return (bits & 0x7F) == 0; }
};

template <class Bits>
struct Scanner {
  ScannedType type;
  std::span<const std::byte> bytes;

  [[nodiscard]] const std::byte* scale(std::size_t block, std::size_t index) const {
    return &bytes[block * type.block_bytes + type.layout->scales_at + index * sizeof(typename Bits::Word)];
  }
  [[nodiscard]] std::size_t blocks() const { return bytes.size() / type.block_bytes; }

  // Loops without a branch, of which the compiler makes vectors where the numbers stand side by side.
  [[nodiscard]] bool all_finite() const {
    constexpr std::size_t kNumberBytes = sizeof(typename Bits::Word);
    const auto all_are = [this](std::size_t begin, std::size_t stride) {
      const auto* const from = bytes.data();
      const auto size = bytes.size();
      unsigned others = 0;
      for (auto at = begin; at < size; at += stride) {
        others |= static_cast<unsigned>(!Bits::is_finite(Bits::word(from + at)));
      }
      return others == 0;
    };
    if (type.block_bytes == kNumberBytes) {
      return all_are(0, kNumberBytes);
    }
    bool are_finite = true;
    for (std::uint32_t i = 0; i < type.layout->scales; ++i) {
      are_finite = all_are(type.layout->scales_at + i * kNumberBytes, type.block_bytes) && are_finite;
    }
    return are_finite;
  }

  [[nodiscard]] NotFinite find_not_finite() const {
    NotFinite found;
    for (std::size_t block = 0; block < blocks(); ++block) {
      for (std::uint32_t i = 0; i < type.layout->scales; ++i) {
        const auto bits = Bits::word(scale(block, i));
        if (!Bits::is_finite(bits) && found.count++ == 0) {
          found.block = block;
          found.offset = static_cast<std::uint64_t>(scale(block, i) - bytes.data());
          found.is_nan = Bits::is_nan(bits);
        }
      }
    }
    return found;
  }

  [[nodiscard]] bool is_zero_block(std::size_t block) const {
    const auto& layout = *type.layout;
    bool scales_are_zero = true;
    for (std::uint32_t i = 0; i < layout.scales; ++i) {
      scales_are_zero = scales_are_zero && Bits::is_zero(Bits::word(scale(block, i)));
    }
    const auto factors = bytes.subspan(block * type.block_bytes + layout.factors_at, layout.factors);
    const auto is_zero = [&](std::byte factor) { return (factor & std::byte{layout.factor_bits}) == std::byte{0}; };
    return scales_are_zero || (!factors.empty() && std::ranges::all_of(factors, is_zero));
  }

  [[nodiscard]] bool is_zero() const {
    std::size_t block = 0;
    while (block < blocks() && is_zero_block(block)) {
      ++block;
    }
    return block == blocks();
  }

  void scan(PieceScan& piece) const {
    piece.is_zero = is_zero();
    if (!all_finite()) {
      piece.not_finite = find_not_finite();
    }
  }
};

void scan_numbers(const ScannedType& type, std::span<const std::byte> bytes, PieceScan& piece) {
  switch (type.layout->format) {
    case ScaleFormat::kF32:
      return Scanner<F32Bits>{type, bytes}.scan(piece);
    case ScaleFormat::kF16:
      return Scanner<F16Bits>{type, bytes}.scan(piece);
    case ScaleFormat::kBF16:
      return Scanner<Bf16Bits>{type, bytes}.scan(piece);
    case ScaleFormat::kE8M0:
      return Scanner<E8m0Bits>{type, bytes}.scan(piece);
    case ScaleFormat::kUE4M3:
      return Scanner<Ue4m3Bits>{type, bytes}.scan(piece);
    case ScaleFormat::kF16Nibbles:
      return Scanner<F16NibbleBits>{type, bytes}.scan(piece);
  }
}

constexpr auto kIsZero = [](std::byte byte) { return byte == std::byte{0}; };

// The bytes from `at` on that are zero.
std::uint64_t zeros_from(std::span<const std::byte> bytes, std::uint64_t at) {
  const auto start = at;
  while (at + 8 <= bytes.size() && load<std::uint64_t>(&bytes[at]) == 0) {
    at += 8;
  }
  while (at < bytes.size() && kIsZero(bytes[at])) {
    ++at;
  }
  return at - start;
}

// The bytes before `end` that are zero.
std::uint64_t zeros_before(std::span<const std::byte> bytes, std::uint64_t end) {
  const auto start = end;
  while (end >= 8 && load<std::uint64_t>(&bytes[end - 8]) == 0) {
    end -= 8;
  }
  while (end > 0 && kIsZero(bytes[end - 1])) {
    --end;
  }
  return start - end;
}

// Only one byte of every 32 KiB has to be looked at: a run that is long enough has one of them, and 32 KiB around it.
void find_zero_runs(std::span<const std::byte> bytes, std::uint64_t run_bytes_min, PieceScan& piece) {
  const auto step = run_bytes_min / 2;
  piece.leading_zeros = zeros_from(bytes, 0);
  piece.trailing_zeros = zeros_before(bytes, bytes.size());
  const auto end = bytes.size() - piece.trailing_zeros;
  for (auto at = piece.leading_zeros + step; at < end; at += step) {
    if (!kIsZero(bytes[at])) {
      continue;
    }
    const auto before = zeros_before(bytes, at);
    const auto length = before + zeros_from(bytes, at);
    if (length >= run_bytes_min) {
      piece.zero_runs.push_back({at - before, length});
    }
    at += length - before;
  }
}

}  // namespace

ScannedType scanned_type(const TensorInfo& tensor) {
  const auto* layout = find_block_layout(tensor);
  return {layout, layout != nullptr ? find_tensor_type(tensor.type)->block_bytes : 1};
}

PieceScan scan_piece(const ScannedType& type, std::span<const std::byte> bytes) {
  PieceScan piece;
  piece.bytes = bytes.size();
  find_zero_runs(bytes, type.zero_run_bytes_min, piece);
  if (type.layout != nullptr) {
    scan_numbers(type, bytes, piece);
  } else {
    piece.is_zero = piece.leading_zeros == bytes.size();
  }
  return piece;
}

TensorScan join_pieces(const ScannedType& type, std::span<const PieceScan> pieces) {
  TensorScan tensor;
  const auto add_run = [&](const ByteRange& run) {
    if (run.length >= type.zero_run_bytes_min && tensor.zero_run_count++ == 0) {
      tensor.zero_run = run;
    }
  };
  ByteRange open{};  // the run that the next piece may go on with
  std::uint64_t offset = 0;
  for (const auto& piece : pieces) {
    tensor.is_zero = tensor.is_zero && piece.is_zero;
    open.length += piece.leading_zeros;
    if (piece.leading_zeros < piece.bytes) {
      add_run(open);
      for (const auto& run : piece.zero_runs) {
        add_run({offset + run.offset, run.length});
      }
      open = {offset + piece.bytes - piece.trailing_zeros, piece.trailing_zeros};
    }
    if (piece.not_finite) {
      auto found = *piece.not_finite;
      if (!tensor.not_finite) {
        tensor.not_finite = {0, offset / type.block_bytes + found.block, offset + found.offset, found.is_nan};
      }
      tensor.not_finite->count += found.count;
    }
    offset += piece.bytes;
  }
  add_run(open);
  return tensor;
}

}  // namespace mtpgraft
