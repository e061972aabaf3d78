// What llama.cpp derives from the number of blocks, and a graft would change behind its back. Tiny files, made here:
// only counts and names matter.
#include <fmt/core.h>

#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"

namespace mtpgraft {
namespace {

GgufBuilder target_builder(const std::string& architecture, std::uint32_t blocks) {
  GgufBuilder builder;
  builder.key("general.architecture", architecture).key(architecture + ".block_count", blocks);
  for (std::uint32_t i = 0; i < blocks; ++i) {
    builder.floats(fmt::format("blk.{}.attn_norm.weight", i), {4});
  }
  return builder;
}

Model tiny_target(const std::string& architecture, std::uint32_t blocks) {
  return parse_model("target.gguf", target_builder(architecture, blocks).build());
}

// The head alone, without keys.
Model tiny_donor(const std::vector<std::string>& names = {}) {
  GgufBuilder builder;
  for (const std::string name :
       {"nextn.eh_proj.weight", "nextn.enorm.weight", "nextn.hnorm.weight", "nextn.shared_head_norm.weight"}) {
    builder.floats("blk.0." + name, {4});
  }
  for (const auto& name : names) {
    builder.floats("blk.0." + name, {4});
  }
  return parse_model("donor.gguf", builder.build());
}

const std::vector<std::string> kLatent{"attn_norm.weight", "attn_kv_a_mqa.weight", "attn_kv_a_norm.weight",
                                       "attn_output.weight", "ffn_norm.weight"};

std::vector<std::string> warning_ids(const Plan& plan) {
  std::vector<std::string> ids;
  for (const auto& warning : plan.warnings) {
    ids.push_back(warning.id);
  }
  return ids;
}

TEST(Depth, IsLimited) {
  EXPECT_THAT(try_plan(tiny_target("future9", 511), tiny_donor()), IsOk());
  EXPECT_THAT(try_plan(tiny_target("future9", 512), tiny_donor()),
              FailsWith(ErrorCode::kIncompatible, "block_count would be 513, llama.cpp takes at most 512"));
}

TEST(Depth, TellsDeepSeekLiteModels) {
  const auto donor = tiny_donor(kLatent);
  EXPECT_THAT(try_plan(tiny_target("deepseek2", 25), donor),
              FailsWith(ErrorCode::kIncompatible, "'lite' models by their block count: 26 is, 25 is not"));
  EXPECT_THAT(try_plan(tiny_target("deepseek2", 26), donor), IsOk());
  EXPECT_THAT(try_plan(tiny_target("deepseek2", 27), donor),
              FailsWith(ErrorCode::kIncompatible, "'lite' models by their block count: 27 is, 28 is not"));
  EXPECT_THAT(try_plan(tiny_target("deepseek2", 47), donor), IsOk());
  auto large_vocabulary = tiny_target("deepseek2", 47);
  auto& tokens = large_vocabulary.gguf.keys.emplace_back();
  tokens.key = "tokenizer.ggml.tokens";
  tokens.value.type = ValueType::kArray;
  tokens.value.element_type = ValueType::kString;
  tokens.value.element_count = 128256;
  EXPECT_THAT(try_plan(large_vocabulary, donor),
              FailsWith(ErrorCode::kIncompatible, "'lite' models by their block count: 48 is, 47 is not"));
}

TEST(Depth, WarnsWhereDeepSeeksGatingIsGuessedFromIt) {
  const auto donor = tiny_donor(kLatent);
  const auto plan = make_plan(tiny_target("deepseek2", 61), donor);
  ASSERT_THAT(warning_ids(plan), testing::ElementsAre("gating-guessed"));
  EXPECT_THAT(plan.warnings[0].message, testing::HasSubstr("changes from 61 to 62"));
  const auto told = target_builder("deepseek2", 61).key("deepseek2.expert_gating_func", std::uint32_t{2}).build();
  EXPECT_THAT(warning_ids(make_plan(parse_model("told.gguf", told), donor)), testing::IsEmpty());
}

TEST(Depth, WarnsThatExaoneLosesItsSlidingWindow) {
  EXPECT_THAT(warning_ids(make_plan(tiny_target("exaone4", 64), tiny_donor())),
              testing::UnorderedElementsAre("sliding-window-lost", "head-skipped"));
  EXPECT_THAT(warning_ids(make_plan(tiny_target("exaone4", 63), tiny_donor())), testing::ElementsAre("head-skipped"));
}

TEST(Support, WarnsWhereTheHeadIsNotUsed) {
  for (const std::string architecture : {"glm4", "bailingmoe2", "exaone-moe"}) {
    const auto plan = make_plan(tiny_target(architecture, 4), tiny_donor());
    ASSERT_THAT(warning_ids(plan), testing::ElementsAre("head-skipped"));
    EXPECT_THAT(plan.warnings[0].message, testing::HasSubstr(architecture));
  }
}

TEST(Support, WarnsOfArchitecturesThatNoTableHas) {
  const auto plan = make_plan(tiny_target("future9", 4), tiny_donor());
  ASSERT_THAT(warning_ids(plan), testing::ElementsAre("architecture-unknown"));
  EXPECT_THAT(plan.warnings[0].message, testing::HasSubstr("no MTP code for future9"));
}

TEST(Support, WarnsWhereOnlyNewerBuildsDraft) {
  const auto donor = tiny_donor({"attn_norm.weight", "post_attention_norm.weight", "attn_qkv.weight",
                                 "attn_output.weight", "ffn_gate_inp.weight", "exp_probs_b.bias",
                                 "ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight"});
  const auto plan = make_plan(tiny_target("glm4moe", 46), donor);
  ASSERT_THAT(warning_ids(plan), testing::ElementsAre("runtime"));
  EXPECT_THAT(plan.warnings[0].message, testing::HasSubstr("glm4moe: drafts only in builds after b10256"));
}

// What the fixtures do not have: each architecture's own list of tensors that a head must have.
TEST(Support, RequiresTheTensorsOfTheArchitecture) {
  const auto donor = tiny_donor();
  for (const auto& [architecture, missing] :
       std::vector<std::pair<std::string, std::string>>{{"qwen35", "attn_q.weight"},
                                                        {"qwen35moe", "ffn_gate_exps.weight|ffn_gate_up_exps.weight"},
                                                        {"qwen3next", "ffn_gate_inp_shexp.weight"},
                                                        {"glm4moe", "exp_probs_b.bias"},
                                                        {"deepseek2", "attn_kv_a_mqa.weight"},
                                                        {"deepseek32", "attn_kv_a_norm.weight"},
                                                        {"glm-dsa", "ffn_norm.weight"},
                                                        {"mimo2", "attn_qkv.weight"},
                                                        {"step35", "attn_q.weight|attn_qkv.weight"},
                                                        {"hy_v3", "attn_output.weight"},
                                                        {"cohere2moe", "attn_norm.weight"}}) {
    EXPECT_THAT(try_plan(tiny_target(architecture, 4), donor),
                FailsWith(ErrorCode::kIncompatible, fmt::format("the head lacks 'blk.0.{}'", missing)));
  }
  EXPECT_THAT(try_plan(tiny_target("deepseek4", 4), donor), IsOk());
}

TEST(Support, TakesSeveralBlocksWhereTheRuntimeDoes) {
  GgufBuilder builder;
  for (const int block : {0, 1, 2}) {
    for (const std::string name :
         {"attn_norm.weight", "attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight",
          "nextn.eh_proj.weight", "nextn.enorm.weight", "nextn.hnorm.weight", "nextn.shared_head_norm.weight"}) {
      builder.floats(fmt::format("blk.{}.{}", block, name), {4});
    }
  }
  const auto donor = parse_model("donor.gguf", builder.build());
  const auto target = tiny_target("step35", 45);
  const auto plan = make_plan(target, donor);
  EXPECT_EQ(plan.head_block_count, 3U);
  EXPECT_EQ(plan.head_tensors.back().name, "blk.47.nextn.shared_head_norm.weight");
  const auto graft = parse_model("graft.gguf", spell(plan, target, donor));
  const auto head = find_head(graft.gguf);
  EXPECT_EQ(head.state, HeadState::kPresent);
  EXPECT_EQ(head.first_block, 45U);
  EXPECT_EQ(head.block_count, 3U);
}

}  // namespace
}  // namespace mtpgraft
