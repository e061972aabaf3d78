#include "mtpgraft/head.h"

#include <fmt/core.h>

#include "edit_gguf.h"
#include "matchers.h"
#include "models.h"

namespace mtpgraft {
namespace {

struct Expected {
  std::string_view model;
  HeadState state;
  std::uint64_t first_block;
  std::uint64_t block_count;
  std::size_t tensors;
};

TEST(FindHead, KnowsEveryKindOfFile) {
  constexpr auto kCases = std::to_array<Expected>({
      {"target-12L-Q4_K_M", HeadState::kNone, 0, 0, 0},
      {"mtp-base-8L-BF16", HeadState::kSidecar, 8, 1, 15},
      {"head-only-base-8L-BF16", HeadState::kTensorsOnly, 8, 1, 15},
      {"donor-tensors-only-no-keys", HeadState::kTensorsOnly, 8, 1, 15},
      {"donor-two-heads", HeadState::kSidecar, 8, 2, 30},
      {"donor-head-first-order", HeadState::kSidecar, 8, 1, 15},
      {"donor-no-shared-head-norm", HeadState::kSidecar, 8, 1, 14},
      {"donor-no-head", HeadState::kNone, 0, 0, 0},
      {"donor-no-eh-proj", HeadState::kBroken, 8, 1, 14},
      {"donor-fused-qkv", HeadState::kSidecar, 8, 1, 13},
      {"donor-shard", HeadState::kShard, 8, 1, 15},
      {"target-shard", HeadState::kShard, 0, 0, 0},
      {"target-with-head", HeadState::kPresent, 12, 1, 15},
      {"target-with-head-first", HeadState::kPresent, 12, 1, 15},
      {"target-head-norms-f16", HeadState::kPresent, 12, 1, 15},
      {"target-placeholder", HeadState::kPlaceholder, 12, 1, 0},
      {"target-undeclared-head", HeadState::kBroken, 12, 1, 15},
      {"target-broken-head", HeadState::kBroken, 12, 1, 14},
      {"target-extra-tensor", HeadState::kNone, 0, 0, 0},
      {"moe-qwen35moe-target", HeadState::kNone, 0, 0, 0},
      {"moe-qwen35moe-donor", HeadState::kPresent, 4, 1, 20},
      {"moe-qwen35moe-donor-fused", HeadState::kPresent, 4, 1, 19},
      {"moe-qwen3next-grafted", HeadState::kPresent, 8, 1, 20},
      {"golden/tiny-qwen35-donor", HeadState::kSidecar, 1, 1, 15},
  });
  for (const auto& expected : kCases) {
    SCOPED_TRACE(expected.model);
    const auto gguf = load_model(expected.model).gguf;
    const auto head = find_head(gguf);
    EXPECT_EQ(head_state_name(head.state), head_state_name(expected.state));
    EXPECT_EQ(head.first_block, expected.first_block);
    EXPECT_EQ(head.block_count, expected.block_count);
    EXPECT_EQ(head.tensors.size(), expected.tensors);
    EXPECT_EQ(head.problems.empty(), expected.state != HeadState::kBroken);
    std::uint64_t bytes = 0;
    for (const auto index : head.tensors) {
      bytes += gguf.tensors[index].size_bytes;
    }
    EXPECT_EQ(head.bytes, bytes);
  }
}

std::vector<std::string> problems_of(const GgufFile& gguf) {
  const auto head = find_head(gguf);
  EXPECT_EQ(head.state, HeadState::kBroken);
  return head.problems;
}

TEST(FindHead, SaysWhatIsMissing) {
  EXPECT_THAT(problems_of(load_model("target-broken-head").gguf),
              testing::ElementsAre("the head lacks 'blk.12.nextn.eh_proj.weight'"));
}

TEST(FindHead, SaysThatAHeadIsNotDeclared) {
  EXPECT_THAT(problems_of(load_model("target-undeclared-head").gguf),
              testing::ElementsAre(testing::HasSubstr("no key 'qwen35.nextn_predict_layers'")));
}

TEST(FindHead, SaysThatADeclaredHeadIsNotCounted) {
  auto gguf = load_model("target-with-head").gguf;
  set_u32(gguf, "qwen35.block_count", 12);
  EXPECT_THAT(problems_of(gguf), testing::Contains("blk.12 has tensors, but block_count is 12"));
}

TEST(FindHead, SaysThatTheDeclarationIsImpossible) {
  auto gguf = load_model("target-with-head").gguf;
  set_u32(gguf, "qwen35.nextn_predict_layers", 13);
  EXPECT_THAT(problems_of(gguf), testing::Contains("nextn_predict_layers 13 is not below block_count 13"));
  set_u32(gguf, "qwen35.nextn_predict_layers", 4'000'000'000);
  set_u32(gguf, "qwen35.block_count", 4'100'000'000);
  EXPECT_THAT(problems_of(gguf), testing::Contains(testing::HasSubstr("llama.cpp takes at most 512 blocks")));
}

TEST(FindHead, KnowsNamesOfCheckpointsAndOtherArchitectures) {
  auto gguf = load_model(kTarget).gguf;
  gguf.tensors.back().name = "mtp.fc.weight";
  EXPECT_THAT(problems_of(gguf), testing::ElementsAre(testing::HasSubstr("'mtp.fc.weight' keeps a checkpoint's name")));
  gguf = load_model("target-with-head").gguf;
  remove_key(gguf, "qwen35.nextn_predict_layers");
  set_u32(gguf, "qwen3.nextn_predict_layers", 1);
  EXPECT_THAT(problems_of(gguf), testing::ElementsAre("key 'qwen3.nextn_predict_layers' should be "
                                                      "'qwen35.nextn_predict_layers'"));
  // Without a head it declares nothing; whoever brings one takes it out.
  gguf = load_model(kTarget).gguf;
  set_u32(gguf, "qwen3.nextn_predict_layers", 1);
  EXPECT_EQ(find_head(gguf).state, HeadState::kNone);
  EXPECT_EQ(read_depth(gguf).trunk_blocks, 12U);
  gguf = load_model("target-with-head").gguf;
  set_u32(gguf, "qwen3.nextn_predict_layers", 1);
  EXPECT_EQ(find_head(gguf).state, HeadState::kPresent);
}

TEST(FindHead, SaysThatUndeclaredBlocksHaveGaps) {
  auto gguf = load_model("donor-tensors-only-no-keys").gguf;
  edit_tensor(gguf, "blk.8.nextn.enorm.weight").name = "blk.10.nextn.enorm.weight";
  EXPECT_THAT(problems_of(gguf), testing::ElementsAre("its nextn blocks 8-10 have gaps"));
}

TEST(FindHead, SaysThatTheTrunkHasNextnTensors) {
  auto gguf = load_model("target-with-head").gguf;
  edit_tensor(gguf, "blk.3.attn_norm.weight").name = "blk.3.nextn.enorm.weight";
  EXPECT_THAT(problems_of(gguf), testing::ElementsAre("blk.3 has nextn tensors and is no block of the head, which "
                                                      "begins at blk.12"));
}

TEST(FindHead, TakesNoBlocksThatLlamaCppCannotHave) {
  auto gguf = load_model("donor-tensors-only-no-keys").gguf;
  edit_tensor(gguf, "blk.8.nextn.enorm.weight").name = "blk.18446744073709551615.nextn.enorm.weight";
  EXPECT_THAT(problems_of(gguf), testing::ElementsAre(testing::HasSubstr("llama.cpp takes at most 512 blocks")));
  EXPECT_FALSE(find_head(gguf).has_tensors());
  set_text(gguf, "general.architecture", "gemma4-assistant");
  set_u32(gguf, "gemma4-assistant.block_count", 4'000'000'000);
  EXPECT_EQ(find_head(gguf).block_count, 512U);
}

TEST(ReadDepth, CountsTheTrunk) {
  const auto depth = read_depth(load_model("target-with-head").gguf);
  EXPECT_EQ(depth.block_count, 13U);
  EXPECT_EQ(depth.nextn_predict_layers, 1U);
  EXPECT_EQ(depth.trunk_blocks, 12U);
  const auto without_keys = read_depth(load_model("donor-tensors-only-no-keys").gguf);
  EXPECT_EQ(without_keys.block_count, std::nullopt);
  EXPECT_EQ(without_keys.trunk_blocks, 0U);
}

// deepseek4 conversions without the head keep the key and do not count it.
TEST(ReadDepth, BelievesTheTensorsWhereTheKeyIsAmbiguous) {
  auto gguf = load_model(kTarget).gguf;
  rename_architecture(gguf, "deepseek4");
  set_u32(gguf, "deepseek4.nextn_predict_layers", 1);
  EXPECT_EQ(read_depth(gguf).trunk_blocks, 12U);
  rename_architecture(gguf, "qwen35");
  EXPECT_EQ(read_depth(gguf).trunk_blocks, 11U);
}

TEST(SplitBlockName, TakesOnlyBlockTensors) {
  const auto split = split_block_name("blk.12.nextn.eh_proj.weight");
  ASSERT_TRUE(split);
  EXPECT_EQ(split->block, 12U);
  EXPECT_EQ(split->name, "nextn.eh_proj.weight");
  for (const std::string_view other : {"output.weight", "blk", "blk.", "blk.x.y", "blk.-1.y", "blk.1", "blk..y",
                                       "blk.99999999999999999999.y", "v.blk.1.y", ""}) {
    EXPECT_FALSE(split_block_name(other)) << other;
  }
  EXPECT_EQ(split_block_name("blk.3.")->name, "");
}

}  // namespace
}  // namespace mtpgraft
