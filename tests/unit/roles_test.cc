// Whether a file can be a target or a donor at all.
#include "edit_gguf.h"
#include "gguf_builder.h"
#include "matchers.h"
#include "model/compatibility.h"
#include "models.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/strip.h"

namespace mtpgraft {
namespace {

Result<Plan> plan_with_target(const Model& target, bool replace = false) {
  const auto donor = load_model(kDonor);
  return try_plan(target, donor, graft_options(target, donor, replace));
}

Result<Plan> plan_with_target(std::string_view name, bool replace = false) {
  return plan_with_target(load_model(name), replace);
}

Result<Plan> plan_with_donor(const Model& donor) { return try_plan(load_model(kTarget), donor); }

TEST(TargetRole, OfAShardIsRefused) {
  const auto plan = plan_with_target("target-shard");
  EXPECT_THAT(plan, FailsWith(ErrorCode::kUnsupported, "the target is one file of a split model of 2 files"));
  EXPECT_EQ(plan.error().path, "target-shard.gguf");
  EXPECT_THAT(plan.error().hint, testing::HasSubstr("name the first file"));
}

TEST(TargetRole, NeedsAnArchitecture) {
  auto target = load_model(kTarget);
  remove_key(target.gguf, "general.architecture");
  EXPECT_THAT(plan_with_target(target), FailsWith(ErrorCode::kIncompatible, "no key 'general.architecture'"));
}

TEST(TargetRole, OfADrafterIsRefused) {
  auto target = load_model(kTarget);
  rename_architecture(target.gguf, "gemma4-assistant");
  const auto plan = plan_with_target(target);
  EXPECT_THAT(plan, FailsWith(ErrorCode::kIncompatible, "the target is a drafter (gemma4-assistant)"));
  EXPECT_THAT(plan.error().hint, testing::HasSubstr("-md"));
}

TEST(TargetRole, NeedsABlockCount) {
  auto target = load_model(kTarget);
  remove_key(target.gguf, "qwen35.block_count");
  EXPECT_THAT(plan_with_target(target), FailsWith(ErrorCode::kIncompatible, "no key 'qwen35.block_count'"));
}

TEST(TargetRole, NeedsBlocks) {
  auto target = load_model(kTarget);
  set_u32(target.gguf, "qwen35.block_count", 0);
  std::erase_if(target.gguf.tensors, [](const TensorInfo& tensor) { return tensor.name.starts_with("blk."); });
  EXPECT_THAT(plan_with_target(target), FailsWith(ErrorCode::kIncompatible, "block"));
}

TEST(TargetRole, NeedsCountsThatAreWholeNumbers) {
  auto target = load_model(kTarget);
  set_scalar<float>(target.gguf, "qwen35.block_count", 12);
  const auto plan = plan_with_target(target);
  EXPECT_THAT(plan, FailsWith(ErrorCode::kIncompatible, "'qwen35.block_count' is f32 12, llama.cpp wants u32"));
  EXPECT_EQ(plan.error().offset, target.gguf.find_key("qwen35.block_count")->offset);
  set_scalar<std::int32_t>(target.gguf, "qwen35.block_count", -12);
  EXPECT_THAT(plan_with_target(target), FailsWith(ErrorCode::kIncompatible, "'qwen35.block_count' is i32 -12"));
  set_scalar<bool>(target.gguf, "qwen35.block_count", true);
  EXPECT_THAT(plan_with_target(target), FailsWith(ErrorCode::kIncompatible, "'qwen35.block_count' is bool true"));
}

// Loaders take u32 only, so a graft with another type would not load.
TEST(TargetRole, MayHaveCountsOfAnotherTypeOfWholeNumber) {
  const auto donor = load_model(kDonor);
  const auto expect_mended = [&](const Model& target) {
    const auto graft = graft_model(target, donor);
    for (const std::string key : {"block_count", "nextn_predict_layers"}) {
      const auto& value = graft.gguf.find_arch_key(key)->value;
      EXPECT_EQ(value.type, ValueType::kU32);
      EXPECT_EQ(value.unsigned_at(), key == "block_count" ? 13U : 1U);
    }
    const auto plan = make_strip_plan(graft.gguf, {}).value();
    EXPECT_TRUE(spell(plan, graft, graft) == target.bytes());
  };
  expect_mended(load_model("target-i32-block-count"));
  const auto placeholder = load_model("target-placeholder");
  const auto with = [&](auto blocks, auto head_blocks) {
    return parse_model("placeholder.gguf", GgufBuilder(placeholder.bytes(), placeholder.gguf)
                                               .key("qwen35.block_count", blocks)
                                               .key("qwen35.nextn_predict_layers", head_blocks)
                                               .build());
  };
  expect_mended(with(std::uint32_t{13}, std::int32_t{1}));
  expect_mended(with(std::uint32_t{13}, std::uint64_t{1}));
  expect_mended(with(std::int64_t{13}, std::int8_t{1}));
  expect_mended(with(std::uint8_t{13}, std::uint16_t{1}));
}

// Under another architecture's prefix no loader looks for it.
TEST(TargetRole, MayDeclareItsHeadUnderAnotherPrefix) {
  const auto donor = load_model(kDonor);
  for (const std::string name : {"target-placeholder", "target-12L-Q4_K_M"}) {
    SCOPED_TRACE(name);
    const auto model = load_model(name);
    auto builder = GgufBuilder(model.bytes(), model.gguf);
    const auto target = parse_model(
        "misnamed.gguf",
        builder.without_key("qwen35.nextn_predict_layers").key("llama.nextn_predict_layers", std::uint32_t{1}).build());
    EXPECT_EQ(read_depth(target.gguf).trunk_blocks, 12U);
    const auto graft = graft_model(target, donor);
    EXPECT_EQ(read_depth(graft.gguf).block_count, 13U);
    EXPECT_EQ(graft.gguf.find_arch_key("nextn_predict_layers")->value.unsigned_at(), 1U);
    EXPECT_EQ(graft.gguf.find_key("llama.nextn_predict_layers"), nullptr);
    EXPECT_EQ(find_head(graft.gguf).state, HeadState::kPresent);
    const auto plan = make_strip_plan(graft.gguf, {}).value();
    EXPECT_TRUE(spell(plan, graft, graft) == target.bytes());
  }
}

TEST(TargetRole, WithAHeadNeedsReplace) {
  const auto plan = plan_with_target("target-with-head");
  EXPECT_THAT(plan, FailsWith(ErrorCode::kIncompatible, "already has a head at blk.12 (15 tensors)"));
  EXPECT_EQ(plan.error().remedy, Remedy::kReplaceHead);
  EXPECT_THAT(plan_with_target("target-with-head", true), IsOk());
}

TEST(TargetRole, WithABrokenHeadNeedsReplace) {
  for (const std::string_view name : {"target-broken-head", "target-undeclared-head"}) {
    const auto plan = plan_with_target(name);
    EXPECT_THAT(plan, FailsWith(ErrorCode::kIncompatible, "the target's head is broken"));
    EXPECT_EQ(plan.error().details, find_head(load_model(name).gguf).problems);
    EXPECT_EQ(plan.error().remedy, Remedy::kReplaceHead);
    EXPECT_THAT(plan_with_target(name, true), IsOk());
  }
}

// There is nothing to replace.
TEST(TargetRole, ThatIsBrokenWithoutAHeadIsRefused) {
  auto target = load_model(kTarget);
  set_u32(target.gguf, "qwen35.nextn_predict_layers", 12);
  const auto plan = plan_with_target(target, true);
  EXPECT_THAT(plan, FailsWith(ErrorCode::kIncompatible, "nextn_predict_layers 12 is not below block_count 12"));
  EXPECT_FALSE(plan.error().has_advice());
}

TEST(TargetRole, OfAHeadWithoutTrunkIsRefused) {
  EXPECT_THAT(plan_with_target("mtp-base-8L-Q8_0"), FailsWith(ErrorCode::kIncompatible, "a head without trunk"));
  auto tensors_only = load_model("head-only-base-8L-BF16");
  EXPECT_FALSE(plan_with_target(tensors_only).ok());
}

TEST(DonorRole, OfAnotherArchitectureIsRefused) {
  const auto plan = plan_with_donor(load_model("donor-wrong-arch"));
  EXPECT_THAT(plan, FailsWith(ErrorCode::kIncompatible, "general.architecture: target qwen35, donor qwen35moe"));
  EXPECT_EQ(plan.error().path, "donor-wrong-arch.gguf");
}

TEST(DonorRole, OfAShardNeedsAHeadInIt) {
  EXPECT_THAT(plan_with_donor(load_model("donor-shard")), IsOk());
  EXPECT_THAT(plan_with_donor(load_model("target-shard")),
              FailsWith(ErrorCode::kUnsupported, "the donor is one file of a split model of 2 files"));
  auto donor = load_model("donor-shard");
  std::erase_if(donor.gguf.tensors, [](const TensorInfo& tensor) { return tensor.name == "blk.8.nextn.enorm.weight"; });
  EXPECT_THAT(plan_with_donor(donor), FailsWith(ErrorCode::kUnsupported, "the head lacks 'blk.8.nextn.enorm.weight'"));
}

TEST(DonorRole, OfABrokenHeadIsRefused) {
  EXPECT_THAT(plan_with_donor(load_model("donor-no-eh-proj")),
              FailsWith(ErrorCode::kIncompatible, "lacks 'blk.8.nextn.eh_proj.weight'"));
}

TEST(DonorRole, NeedsAHead) {
  EXPECT_THAT(plan_with_donor(load_model("donor-no-head")),
              FailsWith(ErrorCode::kIncompatible, "the donor has no head"));
  EXPECT_THAT(plan_with_donor(load_model("target-placeholder")),
              FailsWith(ErrorCode::kIncompatible, "declares a head at blk.12 but has none of its tensors"));
}

TEST(DonorRole, OfADrafterIsRefused) {
  auto donor = load_model(kDonor).gguf;
  rename_architecture(donor, "gemma4-assistant");
  EXPECT_THAT(check_donor(donor, find_head(donor), donor),
              FailsWith(ErrorCode::kIncompatible, "the donor is a drafter (gemma4-assistant)"));
}

// Without keys there is no architecture to compare; the head is checked against the target's.
TEST(DonorRole, NeedsNoKeys) {
  EXPECT_THAT(plan_with_donor(load_model("donor-tensors-only-no-keys")), IsOk());
  auto donor = load_model("donor-tensors-only-no-keys");
  remove_tensor(donor.gguf, "blk.8.attn_q_norm.weight");
  EXPECT_THAT(plan_with_donor(donor), FailsWith(ErrorCode::kIncompatible, "lacks 'blk.8.attn_q_norm.weight'"));
}

TEST(DonorRole, NormsMustBeConvertible) {
  auto donor = load_model(kDonor);
  auto& norm = edit_tensor(donor.gguf, "blk.8.attn_norm.weight");
  norm.type = 12;
  norm.size_bytes = 144;
  const auto data = read_head_data(*donor.file, donor.gguf, DigestHead::kNo, keep_going);
  EXPECT_THAT(data, FailsWith(ErrorCode::kUnsupported, "'blk.8.attn_norm.weight' has one dimension and type Q4_K"));
}

}  // namespace
}  // namespace mtpgraft
