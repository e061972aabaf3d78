// A DeepSeek-V4 sidecar has a mixer of its own, under the names of the model's.
#include "job/displaced.h"

#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/strip.h"
#include "sidecar.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

enum class Deepseek4Part { kTrunk, kSidecar };

// With a mixer whose values are all `mixer`.
GgufBuilder deepseek4(Deepseek4Part part, float mixer) {
  GgufBuilder builder;
  builder.key("general.architecture", "deepseek4")
      .key("deepseek4.block_count", part == Deepseek4Part::kTrunk ? std::uint32_t{1} : std::uint32_t{2})
      .key("deepseek4.embedding_length", std::uint32_t{8});
  if (part == Deepseek4Part::kSidecar) {
    builder.key("deepseek4.nextn_predict_layers", std::uint32_t{1});
  }
  builder.floats("token_embd.weight", {8, 4})
      .floats("output_norm.weight", {8})
      .floats("output_hc_fn.weight", {32, 4}, mixer)
      .floats("output_hc_base.weight", {4}, mixer)
      .floats("output_hc_scale.weight", {1});
  if (part == Deepseek4Part::kTrunk) {
    builder.floats("blk.0.attn_norm.weight", {8});
  } else {
    builder.floats("blk.1.nextn.eh_proj.weight", {16, 8})
        .floats("blk.1.nextn.enorm.weight", {8})
        .floats("blk.1.nextn.hnorm.weight", {8});
  }
  return builder;
}

std::vector<Warning> displaced_warnings(const Model& target, const Model& donor) {
  std::vector<Warning> warnings;
  EXPECT_THAT(warn_of_displaced_tensors(opened(target), opened(donor), warnings), IsOk());
  return warnings;
}

TEST(DisplacedTensors, AreWarnedOfWhereTheyDiffer) {
  const auto target = parse_model("target.gguf", deepseek4(Deepseek4Part::kTrunk, 1).build());
  const auto warnings =
      displaced_warnings(target, parse_model("donor.gguf", deepseek4(Deepseek4Part::kSidecar, 2).build()));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0].id, "head-mixer-lost");
  EXPECT_THAT(warnings[0].message, HasSubstr("output_hc_fn.weight, output_hc_base.weight of its own"));
  EXPECT_THAT(warnings[0].message, HasSubstr("-md"));
  EXPECT_THAT(displaced_warnings(target, parse_model("donor.gguf", deepseek4(Deepseek4Part::kSidecar, 1).build())),
              IsEmpty());
}

TEST(DisplacedTensors, OfAnotherShapeDiffer) {
  const auto target = parse_model("target.gguf", deepseek4(Deepseek4Part::kTrunk, 1).build());
  auto donor = deepseek4(Deepseek4Part::kSidecar, 1);
  donor.without_tensor("output_hc_base.weight").floats("output_hc_base.weight", {2, 2});
  EXPECT_THAT(displaced_warnings(target, parse_model("donor.gguf", donor.build())), testing::SizeIs(1));
}

// A whole model's are its trunk's, and of other architectures there are none.
TEST(DisplacedTensors, AreASidecarsOnly) {
  const auto target = parse_model("target.gguf", deepseek4(Deepseek4Part::kTrunk, 1).build());
  auto whole = deepseek4(Deepseek4Part::kSidecar, 2);
  whole.floats("blk.0.attn_norm.weight", {8});
  EXPECT_THAT(displaced_warnings(target, parse_model("donor.gguf", whole.build())), IsEmpty());
  auto none = deepseek4(Deepseek4Part::kSidecar, 2);
  none.without_tensor("output_hc_fn.weight").without_tensor("output_hc_base.weight");
  EXPECT_THAT(displaced_warnings(target, parse_model("donor.gguf", none.build())), IsEmpty());
  EXPECT_THAT(displaced_warnings(load_model(kTarget), load_model(kDonor)), IsEmpty());
}

TEST(DisplacedTensors, StayInASidecar) {
  const auto target = parse_model("target.gguf", deepseek4(Deepseek4Part::kTrunk, 1).build());
  const auto donor = parse_model("donor.gguf", deepseek4(Deepseek4Part::kSidecar, 2).build());
  const auto plan = make_extract_plan(donor.gguf, head_data_of(donor), &target.gguf, ExtractForm::kSidecar);
  ASSERT_THAT(plan, IsOk());
  const auto sidecar = parse_model("sidecar.gguf", spell(plan.value(), target, donor));
  for (const auto* name : {"output_hc_fn.weight", "output_hc_base.weight"}) {
    EXPECT_TRUE(std::ranges::equal(data_named(sidecar, name), data_named(donor, name))) << name;
    EXPECT_FALSE(std::ranges::equal(data_named(sidecar, name), data_named(target, name))) << name;
  }
  EXPECT_TRUE(std::ranges::equal(data_named(sidecar, "token_embd.weight"), data_named(target, "token_embd.weight")));
  EXPECT_EQ(sidecar.gguf.tensors.size(), donor.gguf.tensors.size());
}

TEST(DisplacedTensors, OfAnotherShapeDoNotFitASidecar) {
  const auto target = parse_model("target.gguf", deepseek4(Deepseek4Part::kTrunk, 1).build());
  auto builder = deepseek4(Deepseek4Part::kSidecar, 1);
  builder.without_tensor("output_hc_base.weight").floats("output_hc_base.weight", {2, 2});
  const auto donor = parse_model("donor.gguf", builder.build());
  EXPECT_THAT(make_extract_plan(donor.gguf, head_data_of(donor), &target.gguf, ExtractForm::kSidecar),
              FailsWith(ErrorCode::kIncompatible, "'output_hc_base.weight' has shape [2, 2, 1, 1]"));
}

// qwen4exp has no output_norm.
TEST(ExtractQwen4exp, NeedsOutputInPlaceOfItsNorm) {
  GgufBuilder builder;
  builder.key("general.architecture", "qwen4exp")
      .key("qwen4exp.block_count", std::uint32_t{2})
      .key("qwen4exp.nextn_predict_layers", std::uint32_t{1})
      .floats("token_embd.weight", {8, 4})
      .floats("output.weight", {8, 4})
      .floats("blk.1.nextn.eh_proj.weight", {16, 8})
      .floats("blk.1.nextn.enorm.weight", {8})
      .floats("blk.1.nextn.hnorm.weight", {32});
  const auto extract = [](const GgufBuilder& from) {
    const auto donor = parse_model("donor.gguf", from.build());
    return make_extract_plan(donor.gguf, head_data_of(donor), nullptr, ExtractForm::kSidecar);
  };
  EXPECT_THAT(extract(builder), IsOk());
  EXPECT_THAT(extract(builder.without_tensor("output.weight")),
              FailsWith(ErrorCode::kIncompatible, "has no tensor 'output.weight'"));
}

}  // namespace
}  // namespace mtpgraft
