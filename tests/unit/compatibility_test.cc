// Every refusal of a donor that does not fit its target. Planning is pure, so most cases are edits of parsed headers.
#include "model/compatibility.h"

#include <fmt/core.h>

#include <algorithm>

#include "edit_gguf.h"
#include "matchers.h"
#include "models.h"

namespace mtpgraft {
namespace {

class CompatibilityTest : public testing::Test {
 protected:
  Result<Plan> plan(bool replace = false) { return try_plan(target, donor, graft_options(target, donor, replace)); }

  std::vector<std::string> refusals(bool replace = false) {
    const auto result = plan(replace);
    EXPECT_FALSE(result.ok());
    if (result.ok()) {
      return {};
    }
    EXPECT_EQ(result.error().code, ErrorCode::kIncompatible);
    EXPECT_THAT(result.error().message, testing::HasSubstr("the head of 'mtp-base-8L-BF16.gguf' does not fit"));
    return result.error().details;
  }

  Model target = load_model(kTarget);
  Model donor = load_model(kDonor);
};

TEST_F(CompatibilityTest, ModelsOfOneFamilyFit) { EXPECT_THAT(plan(), IsOk()); }

TEST_F(CompatibilityTest, HyperParametersMustBeEqual) {
  for (const std::string key :
       {"embedding_length", "attention.head_count", "attention.head_count_kv", "attention.key_length",
        "attention.value_length", "feed_forward_length", "expert_shared_feed_forward_length", "expert_shared_count",
        "attention.q_lora_rank", "attention.kv_lora_rank", "attention.key_length_mla", "attention.value_length_mla"}) {
    target = load_model(kTarget);
    donor = load_model(kDonor);
    set_u32(target.gguf, "qwen35." + key, 111);
    set_u32(donor.gguf, "qwen35." + key, 222);
    EXPECT_THAT(refusals(), testing::ElementsAre(key + ": target 111, donor 222"));
    EXPECT_THAT(plan().error().hint, testing::HasSubstr("the model that the target was made from"));
  }
}

// One file may write the same number for each layer, and 0 where a layer has none of the thing.
TEST_F(CompatibilityTest, HyperParametersMayBeArrays) {
  set_array<std::uint32_t>(target.gguf, "qwen35.attention.head_count_kv", std::vector<std::uint32_t>(12, 2));
  EXPECT_THAT(plan(), IsOk());
  set_array<std::uint32_t>(donor.gguf, "qwen35.attention.head_count_kv", {0, 0, 0, 4, 0, 0, 0, 4, 4});
  EXPECT_THAT(refusals(), testing::ElementsAre("attention.head_count_kv: target 2, donor 4"));
}

TEST_F(CompatibilityTest, OtherDimensionsAreToldOnce) {
  donor = load_model("donor-wrong-width");
  EXPECT_THAT(plan(), FailsWith(ErrorCode::kIncompatible, "embedding_length: target 256, donor 512"));
  EXPECT_EQ(plan().error().details.size(), 1U);
  donor = load_model("donor-ffn");
  EXPECT_THAT(plan(), FailsWith(ErrorCode::kIncompatible, "feed_forward_length: target 768, donor 1024"));
  EXPECT_EQ(plan().error().details.size(), 1U);
}

TEST_F(CompatibilityTest, TheProjectionTakesEmbeddingAndHiddenState) {
  donor = load_model("donor-transposed-eh-proj");
  EXPECT_THAT(plan(), FailsWith(ErrorCode::kIncompatible,
                                "'blk.8.nextn.eh_proj.weight' has shape [256, 512, 1, 1], the target asks for [512, "
                                "256, 1, 1]"));
}

TEST_F(CompatibilityTest, EveryShapeOfADenseHeadIsChecked) {
  for (const auto index : find_head(donor.gguf).tensors) {
    const auto saved = donor.gguf.tensors[index];
    auto& tensor = donor.gguf.tensors[index];
    tensor.shape[0] += 256;
    tensor.size_bytes = tensor.element_count() * (tensor.type == 0 ? 4 : 2);
    const auto details = refusals();
    ASSERT_EQ(details.size(), 1U) << tensor.name;
    EXPECT_THAT(details[0], testing::HasSubstr(fmt::format("'{}' has shape [{}, ", saved.name, saved.shape[0] + 256)));
    EXPECT_THAT(details[0], testing::HasSubstr(fmt::format("[{}, {}, 1, 1]", saved.shape[0], saved.shape[1])));
    tensor = saved;
  }
}

TEST_F(CompatibilityTest, EveryShapeOfAnExpertHeadIsChecked) {
  for (const std::string name : {"moe-qwen35moe-donor", "moe-qwen35moe-donor-fused"}) {
    target = load_model("moe-qwen35moe-target");
    donor = load_model(name);
    ASSERT_THAT(plan(), IsOk());
    for (const auto index : find_head(donor.gguf).tensors) {
      const auto saved = donor.gguf.tensors[index];
      donor.gguf.tensors[index].shape[1] += 7;
      EXPECT_THAT(plan(), FailsWith(ErrorCode::kIncompatible, fmt::format("'{}' has shape", saved.name)));
      donor.gguf.tensors[index] = saved;
    }
  }
}

// The head's own embeddings have a row for each token of the target.
TEST_F(CompatibilityTest, OwnEmbeddingsMustFitTheVocabulary) {
  donor = load_model("donor-own-embeddings");
  EXPECT_THAT(plan(), IsOk());
  edit_tensor(target.gguf, "token_embd.weight").shape[1] = 1000;
  EXPECT_THAT(plan(), FailsWith(ErrorCode::kIncompatible,
                                "'blk.8.nextn.embed_tokens.weight' has shape [256, 1024, 1, 1], the target asks for "
                                "[256, 1000, 1, 1]"));
}

TEST_F(CompatibilityTest, OnlyAsManyHeadBlocksAsTheRuntimeTakes) {
  donor = load_model("donor-two-heads");
  EXPECT_THAT(plan(), FailsWith(ErrorCode::kIncompatible,
                                "the donor's head has 2 blocks, llama.cpp drafts with 1 in qwen35 models"));
}

TEST_F(CompatibilityTest, TypesOfForksNeedATargetOfThatFork) {
  donor = load_model("donor-fork-type");
  EXPECT_THAT(plan(), FailsWith(ErrorCode::kIncompatible, "'blk.8.nextn.eh_proj.weight' has type IQ4_K"));
  donor = load_model("donor-unknown-type");
  EXPECT_THAT(plan(), FailsWith(ErrorCode::kIncompatible, "has type #199, which upstream llama.cpp does not read"));
}

// An upstream id with a size that is not upstream's is a fork's use of the number.
TEST_F(CompatibilityTest, AClashingTypeIsKnownByItsSize) {
  auto& tensor = edit_tensor(donor.gguf, "blk.8.attn_q.weight");
  tensor.type = 42;
  tensor.size_bytes = 256 / 64 * 18 * 512;
  EXPECT_THAT(plan(), IsOk());
  tensor.size_bytes += 1024;
  EXPECT_THAT(refusals(), testing::ElementsAre(testing::HasSubstr("'blk.8.attn_q.weight' has type Q2_0")));
}

// Readers of the output would take its padding for data, and the record's digest of the head would not fit.
TEST_F(CompatibilityTest, HeadsWhoseSizeOnlyOffsetsTellMustFillTheTargetsPadding) {
  auto& tensor = edit_tensor(donor.gguf, "blk.8.attn_q.weight");
  tensor.type = 46;
  tensor.size_bytes = 320;
  edit_tensor(target.gguf, "blk.0.ffn_up.weight").type = 46;
  EXPECT_THAT(plan(), IsOk());
  tensor.size_bytes = 300;
  EXPECT_THAT(refusals(), testing::ElementsAre(testing::HasSubstr(
                              "'blk.8.attn_q.weight' has type TQ3_1S, whose size only offsets tell, and 300 bytes")));
}

TEST_F(CompatibilityTest, TypesThatNothingMultipliesWithAreRefused) {
  for (const std::uint32_t type : {24U, 25U, 26U, 27U, 28U}) {
    auto& tensor = edit_tensor(donor.gguf, "blk.8.attn_q.weight");
    tensor.type = type;
    tensor.size_bytes = tensor.element_count() * (type == 24 ? 1 : type == 25 ? 2 : type == 26 ? 4 : 8);
    EXPECT_THAT(refusals(), testing::ElementsAre(testing::HasSubstr(
                                fmt::format("has type {}, with which nothing can multiply", tensor_type_name(type)))));
  }
}

TEST_F(CompatibilityTest, Nvfp4ScalesAreRefused) {
  donor = load_model("donor-nvfp4-scales");
  EXPECT_THAT(plan(), FailsWith(ErrorCode::kIncompatible, "'blk.8.nextn.eh_proj.scale' is an NVFP4 scale"));
  donor = load_model(kDonor);
  edit_tensor(donor.gguf, "blk.8.nextn.shared_head_norm.weight").name = "blk.8.attn_q.input_scale";
  EXPECT_THAT(plan(), FailsWith(ErrorCode::kIncompatible, "'blk.8.attn_q.input_scale' is an NVFP4 scale"));
}

TEST_F(CompatibilityTest, TheTrunkMustBeWhole) {
  std::erase_if(target.gguf.tensors, [](const TensorInfo& tensor) { return tensor.name.starts_with("blk.5."); });
  EXPECT_THAT(refusals(), testing::ElementsAre(testing::HasSubstr("the target's blk.5 has no tensors")));
}

// A placeholder that counts its head without declaring it looks like a model that lacks its last block.
TEST_F(CompatibilityTest, ABlockCountThatIncludesAnUndeclaredHeadIsRefused) {
  set_u32(target.gguf, "qwen35.block_count", 13);
  EXPECT_THAT(refusals(), testing::ElementsAre(testing::AllOf(testing::HasSubstr("the target's blk.12 has no tensors"),
                                                              testing::HasSubstr("one of 13 trunk blocks"),
                                                              testing::HasSubstr("nextn_predict_layers"))));
}

TEST_F(CompatibilityTest, TensorsBeyondTheHeadAreRefused) {
  for (const std::string name : {"blk.14.attn_q.weight", "mtp.fc.weight", "blk.3.nextn.enorm.weight"}) {
    target = load_model("target-with-head");
    edit_tensor(target.gguf, "blk.12.nextn.shared_head_norm.weight").name = name;
    EXPECT_THAT(refusals(true), testing::ElementsAre(fmt::format(
                                    "the target's tensor '{}' belongs to no block of the model; llama.cpp refuses "
                                    "such files",
                                    name)));
  }
}

TEST_F(CompatibilityTest, AllReasonsAreTold) {
  set_u32(donor.gguf, "qwen35.attention.head_count", 5);
  set_u32(donor.gguf, "qwen35.attention.key_length", 65);
  edit_tensor(donor.gguf, "blk.8.attn_q.weight").type = 199;
  EXPECT_EQ(refusals().size(), 3U);
}

// ggml holds at most 63 bytes of a name, and "blk.12." is longer than "blk.8.".
TEST_F(CompatibilityTest, NamesMustFitAfterRenaming) {
  const auto longest = "blk.8.nextn." + std::string(63 - 12, 'n');
  edit_tensor(donor.gguf, "blk.8.nextn.shared_head_norm.weight").name = longest;
  EXPECT_FALSE(plan().ok()) << "the output has a tensor name of 64 bytes, which no loader takes";
}

// "blk.08." would become "blk.12." as "blk.8." does; it is no name of a block.
TEST_F(CompatibilityTest, NamesDifferAfterRenaming) {
  edit_tensor(donor.gguf, "blk.8.nextn.shared_head_norm.weight").name = "blk.08.attn_norm.weight";
  const auto plan_without_it = plan();
  ASSERT_THAT(plan_without_it, IsOk());
  EXPECT_EQ(plan_without_it.value().head_tensors.size(), 14U);
}

}  // namespace
}  // namespace mtpgraft
