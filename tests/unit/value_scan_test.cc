// What is found in the bytes of a tensor: numbers that are not finite, nothing but zeros, runs of zero bytes.
#include "gguf/value_scan.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <cstring>

#include "gguf/tensor_types.h"
#include "memory_file_system.h"

namespace mtpgraft {
namespace {

constexpr std::size_t kBlocks = 1000;

TensorInfo tensor_of(std::uint32_t type, std::uint64_t blocks = kBlocks) {
  const auto& row = *find_tensor_type(type);
  TensorInfo tensor;
  tensor.type = type;
  tensor.n_dims = 2;
  tensor.shape = {row.block_elements, blocks, 1, 1};
  tensor.size_bytes = blocks * row.block_bytes;
  return tensor;
}

TensorScan scan(const TensorInfo& tensor, const Bytes& bytes, std::size_t blocks_in_piece = 7) {
  const auto type = scanned_type(tensor);
  std::vector<PieceScan> pieces;
  const auto piece_bytes = blocks_in_piece * type.block_bytes;
  for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) {
    pieces.push_back(scan_piece(type, std::span(bytes).subspan(at, std::min(piece_bytes, bytes.size() - at))));
  }
  return join_pieces(type, pieces);
}

struct Special {
  ScaleFormat format;
  Bytes nan;
  Bytes infinity;  // empty: the format has none
};

template <class... Byte>
Bytes bytes_of(Byte... values) {
  return {static_cast<std::byte>(values)...};
}

Special special_of(ScaleFormat format) {
  switch (format) {
    case ScaleFormat::kF32:
      return {format, bytes_of(1, 0, 0x80, 0xFF), bytes_of(0, 0, 0x80, 0x7F)};
    case ScaleFormat::kF16:
      return {format, bytes_of(1, 0x7C), bytes_of(0, 0xFC)};
    case ScaleFormat::kBF16:
      return {format, bytes_of(0x81, 0x7F), bytes_of(0x80, 0xFF)};
    case ScaleFormat::kE8M0:
      return {format, bytes_of(0xFF), {}};
    case ScaleFormat::kUE4M3:
      return {format, bytes_of(0x7F), {}};
    case ScaleFormat::kF16Nibbles:  // 0x7E00, 0x7C00
      return {format, bytes_of(0x33, 0x03, 0x33, 0x03, 0x33, 0xE3, 0x33, 0x73),
              bytes_of(0x33, 0x03, 0x33, 0x03, 0x33, 0xC3, 0x33, 0x73)};
  }
  return {};
}

TEST(ValueScan, FindsEachScaleOfEachTypeThatIsNotFinite) {
  for (const auto& layout : block_layouts()) {
    SCOPED_TRACE(tensor_type_name(layout.type));
    const auto tensor = tensor_of(layout.type);
    const Bytes sound(tensor.size_bytes, std::byte{0x3C});
    EXPECT_FALSE(scan(tensor, sound).not_finite);
    EXPECT_FALSE(scan(tensor, sound).is_zero);
    const auto special = special_of(layout.format);
    for (const auto& value : {special.nan, special.infinity}) {
      for (std::uint32_t i = 0; i < layout.scales && !value.empty(); ++i) {
        for (const std::size_t block : {std::size_t{0}, std::size_t{13}, kBlocks - 1}) {
          auto bytes = sound;
          const auto at = block * find_tensor_type(layout.type)->block_bytes + layout.scales_at + i * value.size();
          std::ranges::copy(value, bytes.begin() + static_cast<std::ptrdiff_t>(at));
          const auto found = scan(tensor, bytes).not_finite;
          ASSERT_TRUE(found) << block;
          EXPECT_EQ(found->count, 1U);
          EXPECT_EQ(found->block, block);
          EXPECT_EQ(found->offset, at);
          EXPECT_EQ(found->is_nan, value == special.nan);
        }
      }
    }
  }
}

TEST(ValueScan, LooksAtTheScalesOnly) {
  for (const auto& layout : block_layouts()) {
    SCOPED_TRACE(tensor_type_name(layout.type));
    const auto& type = *find_tensor_type(layout.type);
    const auto tensor = tensor_of(layout.type);
    const auto scale_bytes = special_of(layout.format).nan.size() * layout.scales;
    Bytes bytes(tensor.size_bytes, std::byte{0xFF});
    for (std::size_t block = 0; block < kBlocks; ++block) {
      std::memset(&bytes[block * type.block_bytes + layout.scales_at], 0x3C, scale_bytes);
    }
    EXPECT_FALSE(scan(tensor, bytes).not_finite);
  }
}

TEST(ValueScan, CountsAllAndNamesTheFirst) {
  const auto tensor = tensor_of(tensor_type::kBF16);
  Bytes bytes(tensor.size_bytes, std::byte{0x3C});
  for (const std::size_t element : {40U, 41U, 900U}) {
    std::ranges::copy(bytes_of(0x80, 0x7F), bytes.begin() + static_cast<std::ptrdiff_t>(2 * element));
  }
  const auto found = scan(tensor, bytes).not_finite;
  ASSERT_TRUE(found);
  EXPECT_EQ(found->count, 3U);
  EXPECT_EQ(found->block, 40U);
  EXPECT_FALSE(found->is_nan);
}

TEST(ValueScan, ZeroIsWhatBecomesZero) {
  for (const auto& layout : block_layouts()) {
    SCOPED_TRACE(tensor_type_name(layout.type));
    const auto& type = *find_tensor_type(layout.type);
    const auto tensor = tensor_of(layout.type);
    EXPECT_TRUE(scan(tensor, Bytes(tensor.size_bytes)).is_zero);
    auto bytes = Bytes(tensor.size_bytes, std::byte{0x3C});
    for (std::size_t block = 0; block < kBlocks; ++block) {
      std::memset(&bytes[block * type.block_bytes + layout.factors_at], 0, layout.factors);
    }
    EXPECT_EQ(scan(tensor, bytes).is_zero, layout.factors > 0);
    if (layout.format == ScaleFormat::kF16) {
      bytes.assign(tensor.size_bytes, std::byte{0x88});
      for (std::size_t block = 0; block < kBlocks; ++block) {
        for (std::uint32_t i = 0; i < layout.scales; ++i) {
          const auto minus_zero = bytes_of(0, 0x80);
          std::memcpy(&bytes[block * type.block_bytes + layout.scales_at + 2 * i], minus_zero.data(), 2);
        }
      }
      EXPECT_TRUE(scan(tensor, bytes).is_zero);
      bytes[type.block_bytes * (kBlocks - 1) + layout.scales_at] = std::byte{1};
      EXPECT_FALSE(scan(tensor, bytes).is_zero) << "one block is not";
    }
  }
}

TEST(ValueScan, FindsRunsOfZerosWhereverPiecesEnd) {
  const auto tensor = tensor_of(tensor_type::kBF16, 200'000);
  for (const std::uint64_t start :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{32767}, std::uint64_t{100'001}, 400'000 - kZeroRunBytesMin}) {
    for (const std::size_t elements : {50U, 3000U, 16384U, 40'000U, 90'000U, 200'000U}) {
      SCOPED_TRACE(fmt::format("from {}, in pieces of {}", start, elements));
      Bytes bytes(tensor.size_bytes, std::byte{0x3C});
      std::memset(&bytes[start], 0, kZeroRunBytesMin);
      const auto found = scan(tensor, bytes, elements);
      EXPECT_EQ(found.zero_run_count, 1U);
      EXPECT_EQ(found.zero_run, (ByteRange{start, kZeroRunBytesMin}));
      bytes[start + kZeroRunBytesMin / 2] = std::byte{1};
      EXPECT_EQ(scan(tensor, bytes, elements).zero_run_count, 0U);
      std::memset(&bytes[start], 0, kZeroRunBytesMin);
      bytes[start + kZeroRunBytesMin - 1] = std::byte{1};
      EXPECT_EQ(scan(tensor, bytes, elements).zero_run_count, 0U) << "one byte less";
    }
  }
}

TEST(ValueScan, CountsRunsAndMeasuresTheFirst) {
  const auto tensor = tensor_of(tensor_type::kBF16, 500'000);
  Bytes bytes(tensor.size_bytes, std::byte{0x3C});
  std::memset(&bytes[10], 0, 70'000);
  std::memset(&bytes[200'000], 0, 300'000);
  std::memset(&bytes[600'000], 0, 60'000);
  std::memset(&bytes[700'000], 0, 65'536);
  for (const std::size_t elements : {1000U, 100'000U, 500'000U}) {
    const auto found = scan(tensor, bytes, elements);
    EXPECT_EQ(found.zero_run_count, 3U);
    EXPECT_EQ(found.zero_run, (ByteRange{10, 70'000}));
  }
  EXPECT_FALSE(scan(tensor, bytes).is_zero);
}

TEST(ValueScan, OfUnknownBlocksSeesZerosOnly) {
  auto tensor = tensor_of(139);  // IQ4_K
  EXPECT_EQ(find_block_layout(tensor), nullptr);
  EXPECT_TRUE(scan(tensor, Bytes(tensor.size_bytes)).is_zero);
  const auto others = scan(tensor, Bytes(tensor.size_bytes, std::byte{0xFF}));
  EXPECT_FALSE(others.is_zero);
  EXPECT_FALSE(others.not_finite);
  tensor = tensor_of(42);  // a fork's own type of that number has another size
  EXPECT_NE(find_block_layout(tensor), nullptr);
  tensor.size_bytes += 2;
  EXPECT_EQ(find_block_layout(tensor), nullptr);
}

}  // namespace
}  // namespace mtpgraft
