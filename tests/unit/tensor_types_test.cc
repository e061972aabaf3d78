#include "gguf/tensor_types.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "mtpgraft/gguf.h"

namespace mtpgraft {
namespace {

// As printed from the compiled tables of ggml and of ik_llama.cpp: id, name, block elements, block bytes, and bytes in
// front of each row.
constexpr std::string_view kUpstreamTable = R"(
 0 f32 1/4     1 f16 1/2     2 q4_0 32/18   3 q4_1 32/20   6 q5_0 32/22   7 q5_1 32/24
 8 q8_0 32/34  9 q8_1 32/36 10 q2_K 256/84 11 q3_K 256/110 12 q4_K 256/144 13 q5_K 256/176
14 q6_K 256/210 15 q8_K 256/292 16 iq2_xxs 256/66 17 iq2_xs 256/74 18 iq3_xxs 256/98
19 iq1_s 256/50 20 iq4_nl 32/18 21 iq3_s 256/110 22 iq2_s 256/82 23 iq4_xs 256/136
24 i8 1/1 25 i16 1/2 26 i32 1/4 27 i64 1/8 28 f64 1/8 29 iq1_m 256/56 30 bf16 1/2
34 tq1_0 256/54 35 tq2_0 256/66 39 mxfp4 32/17 40 nvfp4 64/36 41 q1_0 128/18 42 q2_0 64/18
)";
constexpr std::string_view kForkTable = R"(
97 q8_0_x4 32/34  98 q8_1_x4 32/36  99 q8_2_x4 32/36  133 q6_0 32/26  134 iq1_bn 64/13+2  135 iq2_bn 64/16+4
136 q8_K64 64/68  137 iq2_k 256/76  138 iq3_k 256/110  139 iq4_k 256/144  140 iq5_k 256/176  141 iq6_k 256/212
144 iq4_ks 256/136+4  145 iq2_ks 256/70+2  146 iq4_kss 256/128+4  147 q8_K16 64/64+20  148 q8_K32 256/296
149 q8_KR8 256/296  150 q8_K128 128/140  151 q8_KV 32/32+8  152 iq5_ks 256/168+4  153 iq2_kt 256/68+4
154 iq3_kt 256/100+4  155 iq4_kt 256/128+4  156 iq3_ks 256/102+2  157 iq2_kl 256/86+2  158 iq1_kt 256/56+4
202 q4_0_r8 32/18 206 q5_0_r4 32/22 208 q8_0_r8 32/34 210 q2_k_r4 256/84 211 q3_k_r4 256/110 212 q4_k_r4 256/144
213 q5_k_r4 256/176 214 q6_k_r4 256/210 216 iq2_xxs_r4 256/66 217 iq2_xs_r4 256/74 218 iq3_xxs_r4 256/98
219 iq1_s_r4 32/6+2 220 iq4_nl_r4 32/18 221 iq3_s_r4 256/110 222 iq2_s_r4 256/82 223 iq4_xs_r8 256/136
229 iq1_m_r4 32/7+2 230 bf16_r16 1/2 233 q6_0_r4 32/26 335 iq2_bn_r4 64/16+4 337 iq2_k_r4 256/76 338 iq3_k_r4 256/110
339 iq4_k_r4 256/144 340 iq5_k_r4 256/176 344 iq4_ks_r4 256/136+4 352 iq5_ks_r4 256/168+4 353 mxfp4_r8 32/17
397 q8_k_r16 256/258  398 q8_kv_r8 32/32+4  399 q8_k_r8 256/258
)";

struct Row {
  std::uint32_t id;
  std::string name;
  std::uint32_t block_elements;
  std::uint32_t block_bytes;
  std::uint32_t row_bytes;
};

std::vector<Row> read_table(std::string_view table) {
  std::vector<Row> rows;
  std::istringstream stream{std::string(table)};
  Row row;
  for (char slash = 0; stream >> row.id >> row.name >> row.block_elements >> slash >> row.block_bytes;) {
    row.row_bytes = 0;
    if (stream.peek() == '+') {
      stream.get();
      stream >> row.row_bytes;
    }
    rows.push_back(row);
  }
  return rows;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

void expect_known(const Row& row) {
  const auto* type = find_tensor_type(row.id);
  ASSERT_NE(type, nullptr) << row.id;
  EXPECT_EQ(upper(std::string(type->name)), upper(row.name));
  EXPECT_EQ(type->block_elements, row.block_elements) << row.name;
  EXPECT_EQ(type->block_bytes, row.block_bytes) << row.name;
  EXPECT_EQ(type->row_bytes, row.row_bytes) << row.name;
}

TEST(TensorTypes, AreThoseOfGgml) {
  const auto rows = read_table(kUpstreamTable);
  ASSERT_EQ(rows.size(), 35U);
  for (const auto& row : rows) {
    expect_known(row);
    EXPECT_TRUE(is_upstream_tensor_type(row.id)) << row.name;
  }
}

TEST(TensorTypes, AreThoseOfIkLlama) {
  const auto rows = read_table(kForkTable);
  ASSERT_EQ(rows.size(), 57U);
  for (const auto& row : rows) {
    expect_known(row);
    EXPECT_FALSE(is_upstream_tensor_type(row.id)) << row.name;
  }
}

TEST(TensorTypes, KnowRemovedAndClashingIds) {
  for (const std::uint32_t id : {4U, 5U, 37U, 38U}) {
    EXPECT_EQ(find_tensor_type(id)->origin, TypeOrigin::kRemoved) << id;
    EXPECT_FALSE(is_upstream_tensor_type(id)) << id;
  }
  for (const std::uint32_t id : {15U, 31U, 32U, 33U, 36U, 42U}) {
    EXPECT_EQ(find_tensor_type(id)->origin, TypeOrigin::kClash) << id;
  }
}

// Their numbers are taken, so that a file with them is not called unreadable; how long their blocks are is not known
// here.
TEST(TensorTypes, OfTurboQuantAndRocmFpxAreKnownByNumber) {
  for (const std::uint32_t id : {43U, 44U, 45U, 46U, 47U, 100U, 108U}) {
    ASSERT_NE(find_tensor_type(id), nullptr) << id;
    EXPECT_EQ(find_tensor_type(id)->origin, TypeOrigin::kFork) << id;
    EXPECT_FALSE(is_upstream_tensor_type(id)) << id;
  }
}

TEST(TensorTypes, OthersAreUnknown) {
  for (const std::uint32_t id : {48U, 96U, 142U, 199U, 400U, UINT32_MAX}) {
    EXPECT_EQ(find_tensor_type(id), nullptr) << id;
    EXPECT_FALSE(is_upstream_tensor_type(id)) << id;
    EXPECT_EQ(tensor_type_name(id), "#" + std::to_string(id));
  }
  EXPECT_EQ(tensor_type_name(12), "Q4_K");
}

TEST(TensorBytes, MultiplyRowsAndBlocks) {
  EXPECT_EQ(tensor_bytes(*find_tensor_type(0), {3, 1, 1, 1}), 12U);
  EXPECT_EQ(tensor_bytes(*find_tensor_type(12), {5120, 17408, 1, 1}), 5120U / 256 * 144 * 17408);
  EXPECT_EQ(tensor_bytes(*find_tensor_type(8), {64, 2, 3, 4}), 2U * 34 * 2 * 3 * 4);
  // 8 bytes in front of each row of Q8_KV.
  EXPECT_EQ(tensor_bytes(*find_tensor_type(151), {64, 10, 1, 1}), (8U + 64) * 10);
}

TEST(TensorBytes, NoticeOverflow) {
  EXPECT_EQ(tensor_bytes(*find_tensor_type(0), {std::uint64_t{1} << 62, 1, 1, 1}), std::nullopt);
  // ggml multiplies before it divides, and reads this as 24 bytes.
  EXPECT_EQ(tensor_bytes(*find_tensor_type(7), {(std::uint64_t{1} << 61) + 32, 1, 1, 1}), std::nullopt);
  EXPECT_EQ(tensor_bytes(*find_tensor_type(0), {std::uint64_t{1} << 31, std::uint64_t{1} << 31, 1, 1}), std::nullopt);
  EXPECT_EQ(tensor_bytes(*find_tensor_type(0), {std::uint64_t{1} << 40, 1, std::uint64_t{1} << 40, 1}), std::nullopt);
}

}  // namespace
}  // namespace mtpgraft
