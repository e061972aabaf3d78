#include "model/layer_arrays.h"

#include <fmt/core.h>

#include "edit_gguf.h"
#include "matchers.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kAttention = "attn_output.weight";
constexpr std::string_view kFeedForward = "ffn_down.weight";

// A target of 4 trunk blocks and a donor whose head is its block 6, as far as per-layer arrays are concerned.
struct ArrayCase {
  explicit ArrayCase(std::string_view architecture, std::uint32_t head_blocks = 1) {
    for (auto* gguf : {&target, &donor}) {
      set_text(*gguf, "general.architecture", architecture);
    }
    target.path = "target.gguf";
    prefix = std::string(architecture) + ".";
    set_u32(target, prefix + "block_count", 4);
    set_u32(donor, prefix + "block_count", 6 + head_blocks);
    set_u32(donor, prefix + "nextn_predict_layers", head_blocks);
    head.first_block = 6;
    head.block_count = head_blocks;
    for (std::uint32_t i = 0; i < 4; ++i) {
      add(target, i, kAttention, 8);
      add(target, i, kFeedForward, 8);
    }
    for (std::uint32_t i = 0; i < head_blocks; ++i) {
      for (const auto name : {kAttention, kFeedForward}) {
        head.tensors.push_back(donor.tensors.size());
        add(donor, 6 + i, name, 8);
      }
    }
  }

  static void add(GgufFile& gguf, std::uint32_t block, std::string_view name, std::uint64_t columns) {
    auto& tensor = gguf.tensors.emplace_back();
    tensor.name = fmt::format("blk.{}.{}", block, name);
    tensor.shape = {columns, 16, 1, 1};
  }

  Result<std::optional<GgufValue>> extend(std::string_view key) const {
    return extend_layer_array(*target.find_key(prefix + std::string(key)), target, 4, donor, head,
                              LikeBlocks(target, 4, donor, head));
  }

  // What the array becomes; empty if it stays as it is.
  std::vector<double> values(std::string_view key) const {
    const auto change = extend(key);
    EXPECT_THAT(change, IsOk());
    std::vector<double> result;
    if (change.ok() && change.value()) {
      for (std::uint64_t i = 0; i < change.value()->element_count; ++i) {
        result.push_back(change.value()->number_at(i).value());
      }
    }
    return result;
  }

  GgufFile target;
  GgufFile donor;
  Head head;
  std::string prefix;
};

using Numbers = std::vector<double>;

constexpr std::string_view kHeadCountKv = "attention.head_count_kv";
constexpr std::string_view kRecurrent = "attention.recurrent_layers";
constexpr std::string_view kWindow = "attention.sliding_window_pattern";

TEST(LayerArrays, TakeTheDonorsScalar) {
  for (const std::string_view key : {"attention.head_count", "attention.head_count_kv", "feed_forward_length",
                                     "expert_used_count", "expert_feed_forward_length"}) {
    ArrayCase graft("qwen35");
    set_array<std::uint32_t>(graft.target, graft.prefix + std::string(key), {1, 2, 3, 4});
    set_u32(graft.donor, graft.prefix + std::string(key), 7);
    EXPECT_EQ(graft.values(key), (Numbers{1, 2, 3, 4, 7})) << key;
  }
}

TEST(LayerArrays, TakeTheDonorsEntryForItsHead) {
  ArrayCase graft("qwen35");
  set_array<std::int32_t>(graft.target, "qwen35.attention.head_count_kv", {0, 0, 0, 2});
  set_array<std::uint32_t>(graft.donor, "qwen35.attention.head_count_kv", {0, 0, 0, 5, 0, 0, 9});
  EXPECT_EQ(graft.values(kHeadCountKv), (Numbers{0, 0, 0, 2, 9}));
}

// A donor whose array stops before its head tells nothing.
TEST(LayerArrays, TakeTheEntryOfTheLastBlockWithTheHeadsShapes) {
  ArrayCase graft("qwen35");
  for (const auto* name : {"blk.0.attn_output.weight", "blk.3.attn_output.weight", "blk.2.ffn_down.weight"}) {
    edit_tensor(graft.target, name).shape[0] = 4;
  }
  set_array<std::int32_t>(graft.target, "qwen35.attention.head_count_kv", {0, 3, 2, 0});
  EXPECT_EQ(graft.values(kHeadCountKv), (Numbers{0, 3, 2, 0, 2}));
  set_array<std::uint32_t>(graft.donor, "qwen35.attention.head_count_kv", {0, 0, 0, 5, 0, 0});
  EXPECT_EQ(graft.values(kHeadCountKv), (Numbers{0, 3, 2, 0, 2}));
  // Of the feed-forward other blocks have the shapes.
  set_array<std::int32_t>(graft.target, "qwen35.feed_forward_length", {1, 2, 3, 4});
  EXPECT_EQ(graft.values("feed_forward_length"), (Numbers{1, 2, 3, 4, 4}));
}

TEST(LayerArrays, AreRefusedWhereNoBlockHasTheHeadsShapes) {
  ArrayCase graft("qwen35");
  for (auto& tensor : graft.donor.tensors) {
    tensor.shape[0] = 5;
  }
  set_array<std::int32_t>(graft.target, "qwen35.attention.head_count_kv", {2, 2, 2, 2});
  EXPECT_THAT(graft.extend(kHeadCountKv), FailsWith(ErrorCode::kIncompatible, "no block of the trunk has its shapes"));
}

// The runtime counts what a window pattern lacks as 0.
TEST(LayerArrays, OfAnyLengthAreLeftAlone) {
  ArrayCase graft("mimo2");
  set_array<bool>(graft.target, "mimo2.attention.sliding_window_pattern", {true, true});
  EXPECT_EQ(graft.values(kWindow), Numbers{});
}

TEST(LayerArrays, AHeadIsNotRecurrent) {
  for (const std::string_view architecture : {"qwen35", "qwen35moe", "qwen3next"}) {
    ArrayCase graft(architecture);
    set_array<bool>(graft.target, graft.prefix + std::string(kRecurrent), {true, true, true, false});
    EXPECT_EQ(graft.values(kRecurrent), (Numbers{1, 1, 1, 0, 0}));
    set_array<bool>(graft.donor, graft.prefix + std::string(kRecurrent), {true, true, true, true, true, true, false});
    EXPECT_EQ(graft.values(kRecurrent), (Numbers{1, 1, 1, 0, 0}));
    set_array<bool>(graft.donor, graft.prefix + std::string(kRecurrent), std::vector<bool>(7, true));
    EXPECT_EQ(graft.values(kRecurrent), (Numbers{1, 1, 1, 0, 1}));
  }
}

TEST(LayerArrays, ExtendTheWindowPatternByArchitecture) {
  const auto values = [](std::string_view architecture, std::uint32_t head_blocks) {
    ArrayCase graft(architecture, head_blocks);
    set_array<bool>(graft.target, graft.prefix + std::string(kWindow), {true, true, true, false});
    return graft.values(kWindow);
  };
  EXPECT_EQ(values("mimo2", 3), (Numbers{1, 1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(values("step35", 2), (Numbers{1, 1, 1, 0, 0, 0}));
  // Read after the head is known, or not by length at all: these must not grow.
  for (const std::string_view architecture : {"cohere2moe", "exaone4", "exaone-moe"}) {
    EXPECT_EQ(values(architecture, 1), Numbers{}) << architecture;
  }
}

TEST(LayerArrays, ClampTheHeadAsItsArchitectureDoes) {
  for (const std::string_view key : {"swiglu_clamp_exp", "swiglu_clamp_shexp"}) {
    ArrayCase step("step35");
    set_array<float>(step.target, "step35." + std::string(key), {0, 7, 7, 10});
    EXPECT_EQ(step.values(key), (Numbers{0, 7, 7, 10, 0}));
    ArrayCase deepseek("deepseek4");
    set_array<float>(deepseek.target, "deepseek4." + std::string(key), {10, 10, 10, 10});
    EXPECT_EQ(deepseek.values(key), (Numbers{10, 10, 10, 10, 10}));
  }
}

TEST(LayerArrays, DoNotCompressTheHead) {
  ArrayCase graft("deepseek4");
  set_array<std::uint32_t>(graft.target, "deepseek4.attention.compress_ratios", {0, 4, 128, 4});
  EXPECT_EQ(graft.values("attention.compress_ratios"), (Numbers{0, 4, 128, 4, 0}));
}

TEST(LayerArrays, LeaveWhatIsNotPerLayerOrForTheTrunkOnly) {
  ArrayCase graft("glm-dsa");
  set_array<std::uint32_t>(graft.target, "glm-dsa.attention.indexer.types", {1, 0, 1, 0});
  EXPECT_EQ(graft.values("attention.indexer.types"), Numbers{});
  // Four sections and four blocks are a coincidence.
  set_array<std::int32_t>(graft.target, "glm-dsa.rope.dimension_sections", {3, 3, 2, 0});
  EXPECT_EQ(graft.values("rope.dimension_sections"), Numbers{});
  set_u32(graft.target, "glm-dsa.attention.head_count", 4);
  EXPECT_EQ(graft.values("attention.head_count"), Numbers{});
}

TEST(LayerArrays, LeaveKeysOfOthersAlone) {
  ArrayCase graft("qwen35");
  set_array<std::uint32_t>(graft.target, "tokenizer.ggml.token_type", {1, 2, 3, 4});
  const auto* item = graft.target.find_key("tokenizer.ggml.token_type");
  const auto change = extend_layer_array(*item, graft.target, 4, graft.donor, graft.head,
                                         LikeBlocks(graft.target, 4, graft.donor, graft.head));
  ASSERT_THAT(change, IsOk());
  EXPECT_FALSE(change.value());
}

TEST(LayerArrays, OfNoTableStayAsLongAsTheTrunkWhereTheDonorHasThemSo) {
  ArrayCase graft("qwen35");
  set_array<std::uint32_t>(graft.target, "qwen35.future.thing", {1, 2, 3, 4});
  set_array<std::uint32_t>(graft.donor, "qwen35.future.thing", {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(graft.values("future.thing"), Numbers{});
}

TEST(LayerArrays, OfNoTableTakeWhatAllLikeBlocksHave) {
  ArrayCase graft("qwen35");
  set_array<std::uint32_t>(graft.target, "qwen35.future.thing", {1, 3, 3, 3});
  EXPECT_FALSE(graft.extend("future.thing").ok());
  edit_tensor(graft.target, "blk.0.attn_output.weight").shape[0] = 4;
  EXPECT_EQ(graft.values("future.thing"), (Numbers{1, 3, 3, 3, 3}));
}

TEST(LayerArrays, ExtendUnknownOnesOnlyFromTheDonor) {
  ArrayCase graft("qwen35");
  set_array<std::uint32_t>(graft.target, "qwen35.future.thing", {1, 2, 3, 4});
  auto change = graft.extend("future.thing");
  EXPECT_THAT(change, FailsWith(ErrorCode::kIncompatible, "'qwen35.future.thing' has one entry for each of 4 blocks"));
  EXPECT_EQ(change.error().path, "target.gguf");
  // Of what the head needs, a scalar says nothing: it may be a default.
  set_u32(graft.donor, "qwen35.future.thing", 9);
  EXPECT_FALSE(graft.extend("future.thing").ok());
  set_array<std::uint32_t>(graft.donor, "qwen35.future.thing", {1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(graft.values("future.thing"), (Numbers{1, 2, 3, 4, 7}));
  set_array<std::uint32_t>(graft.target, "qwen35.future.thing", {1, 2, 3});
  EXPECT_EQ(graft.values("future.thing"), Numbers{});
}

TEST(LayerArrays, RefuseALengthThatNoLoaderTakes) {
  ArrayCase graft("qwen35");
  set_array<std::uint32_t>(graft.target, "qwen35.attention.head_count_kv", {1, 2, 3});
  EXPECT_THAT(graft.extend(kHeadCountKv), FailsWith(ErrorCode::kIncompatible,
                                                    "has 3 entries, neither one for each of "
                                                    "the 4 trunk blocks nor for block_count 4"));
}

TEST(LayerArrays, OfAPlaceholderMayCoverTheHeadAlready) {
  ArrayCase graft("qwen35");
  set_u32(graft.target, "qwen35.block_count", 5);
  set_u32(graft.target, "qwen35.nextn_predict_layers", 1);
  set_array<std::uint32_t>(graft.target, "qwen35.attention.head_count_kv", {0, 0, 0, 2, 6});
  EXPECT_EQ(graft.values(kHeadCountKv), Numbers{});
  set_u32(graft.donor, "qwen35.attention.head_count_kv", 6);
  EXPECT_EQ(graft.values(kHeadCountKv), Numbers{});
  // The head that comes in knows better.
  set_u32(graft.donor, "qwen35.attention.head_count_kv", 8);
  EXPECT_EQ(graft.values(kHeadCountKv), (Numbers{0, 0, 0, 2, 8}));
  set_array<std::uint32_t>(graft.target, "qwen35.future.thing", {1, 2, 3, 4, 5});
  EXPECT_EQ(graft.values("future.thing"), Numbers{});
}

// A list of names, one for each block: what becomes of it, nobody can tell.
TEST(LayerArrays, OfStringsStayAsTheyAreWhenAHeadGoes) {
  ArrayCase graft("qwen35");
  set_u32(graft.target, "qwen35.block_count", 5);
  set_u32(graft.target, "qwen35.nextn_predict_layers", 1);
  set_array<std::uint32_t>(graft.target, "qwen35.attention.head_count_kv", {0, 0, 0, 2, 6});
  const auto& numbers = *graft.target.find_key("qwen35.attention.head_count_kv");
  const auto cut = cut_layer_array(numbers, graft.target, 4);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->element_count, 4U);
  EXPECT_EQ(cut->bytes.size(), 16U);
  auto names = numbers;
  names.key = "qwen35.future.names";
  names.value.element_type = ValueType::kString;
  EXPECT_FALSE(cut_layer_array(names, graft.target, 4));
}

// llama.cpp loads a head with 0 key-value heads and then fails to allocate its cache.
TEST(LayerArrays, GiveTheHeadNoZeroForItsAttention) {
  ArrayCase graft("qwen35");
  set_array<std::uint32_t>(graft.target, "qwen35.attention.head_count_kv", {0, 0, 0, 2});
  set_array<std::uint32_t>(graft.donor, "qwen35.attention.head_count_kv", {0, 0, 0, 2, 0, 2, 0});
  EXPECT_EQ(graft.values(kHeadCountKv), (Numbers{0, 0, 0, 2, 2}));
}

TEST(LayerArrays, ShrinkWithTheHead) {
  ArrayCase graft("step35", 1);
  set_u32(graft.target, "step35.block_count", 7);
  set_u32(graft.target, "step35.nextn_predict_layers", 3);
  set_array<std::uint32_t>(graft.target, "step35.attention.head_count_kv", {1, 2, 3, 4, 5, 6, 7});
  set_u32(graft.donor, "step35.attention.head_count_kv", 9);
  EXPECT_EQ(graft.values(kHeadCountKv), (Numbers{1, 2, 3, 4, 9}));
}

TEST(LayerArrays, KeepTheElementType) {
  ArrayCase graft("qwen35");
  set_u32(graft.donor, "qwen35.attention.head_count_kv", 300);
  set_array<std::int32_t>(graft.target, "qwen35.attention.head_count_kv", {2, 2, 2, 2});
  auto change = graft.extend(kHeadCountKv);
  ASSERT_THAT(change, IsOk());
  EXPECT_EQ(change.value()->bytes.size(), 20U);
  set_array<std::uint8_t>(graft.target, "qwen35.attention.head_count_kv", {2, 2, 2, 2});
  EXPECT_THAT(graft.extend(kHeadCountKv), FailsWith(ErrorCode::kIncompatible, "attention.head_count_kv"));
}

}  // namespace
}  // namespace mtpgraft
