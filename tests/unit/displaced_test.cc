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

// With a mixer whose values are all `mixer`, but for its scale.
GgufBuilder deepseek4(const std::string& file, float mixer) {
  auto builder = edit_model("archs/deepseek4/" + file);
  return builder.without_tensor("output_hc_fn.weight")
      .without_tensor("output_hc_base.weight")
      .floats("output_hc_fn.weight", {256, 4}, mixer)
      .floats("output_hc_base.weight", {4}, mixer);
}

std::vector<Warning> displaced_warnings(const Model& target, const Model& donor) {
  std::vector<Warning> warnings;
  EXPECT_THAT(warn_of_displaced_tensors(opened(target), opened(donor), warnings), IsOk());
  return warnings;
}

TEST(DisplacedTensors, AreWarnedOfWhereTheyDiffer) {
  const auto target = parse_model("target.gguf", deepseek4("trunk", 1).build());
  const auto warnings = displaced_warnings(target, parse_model("donor.gguf", deepseek4("sidecar", 2).build()));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0].id, "head-mixer-lost");
  EXPECT_THAT(warnings[0].message, HasSubstr("output_hc_fn.weight, output_hc_base.weight of its own"));
  EXPECT_THAT(warnings[0].message, HasSubstr("-md"));
  EXPECT_THAT(displaced_warnings(target, parse_model("donor.gguf", deepseek4("sidecar", 1).build())), IsEmpty());
}

// As a checkpoint's head without config.json is read.
TEST(DisplacedTensors, OfAHeadWithoutKeysAreItsOwn) {
  const auto target = parse_model("target.gguf", deepseek4("trunk", 1).build());
  auto bare = edit_model("archs/deepseek4/bare");
  const auto donor = bare.floats("output_hc_fn.weight", {256, 4}, 2).build();
  EXPECT_THAT(displaced_warnings(target, parse_model("donor.gguf", donor)), testing::SizeIs(1));
}

TEST(DisplacedTensors, OfAnotherShapeDiffer) {
  const auto target = parse_model("target.gguf", deepseek4("trunk", 1).build());
  auto donor = deepseek4("sidecar", 1);
  donor.without_tensor("output_hc_base.weight").floats("output_hc_base.weight", {2, 2});
  EXPECT_THAT(displaced_warnings(target, parse_model("donor.gguf", donor.build())), testing::SizeIs(1));
}

// A whole model's are its trunk's, and of other architectures there are none.
TEST(DisplacedTensors, AreASidecarsOnly) {
  const auto target = parse_model("target.gguf", deepseek4("trunk", 1).build());
  EXPECT_THAT(displaced_warnings(target, parse_model("donor.gguf", deepseek4("full", 2).build())), IsEmpty());
  auto none = deepseek4("sidecar", 2);
  none.without_tensor("output_hc_fn.weight").without_tensor("output_hc_base.weight");
  EXPECT_THAT(displaced_warnings(target, parse_model("donor.gguf", none.build())), IsEmpty());
  EXPECT_THAT(displaced_warnings(load_model(kTarget), load_model(kDonor)), IsEmpty());
}

TEST(DisplacedTensors, StayInASidecar) {
  const auto target = parse_model("target.gguf", deepseek4("trunk", 1).build());
  const auto donor = parse_model("donor.gguf", deepseek4("sidecar", 2).build());
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

TEST(DisplacedTensors, GoWithTheHeadAlone) {
  const auto donor = parse_model("donor.gguf", deepseek4("sidecar", 2).build());
  const auto plan = make_extract_plan(donor.gguf, head_data_of(donor), nullptr, ExtractForm::kTensorsOnly);
  ASSERT_THAT(plan, IsOk());
  const auto bare = parse_model("bare.gguf", spell(plan.value(), donor, donor));
  EXPECT_TRUE(std::ranges::equal(data_named(bare, "output_hc_fn.weight"), data_named(donor, "output_hc_fn.weight")));
  EXPECT_EQ(bare.gguf.find_tensor("output.weight"), nullptr);
}

TEST(DisplacedTensors, OfAnotherShapeDoNotFitASidecar) {
  const auto target = parse_model("target.gguf", deepseek4("trunk", 1).build());
  auto builder = deepseek4("sidecar", 1);
  builder.without_tensor("output_hc_base.weight").floats("output_hc_base.weight", {2, 2});
  const auto donor = parse_model("donor.gguf", builder.build());
  EXPECT_THAT(make_extract_plan(donor.gguf, head_data_of(donor), &target.gguf, ExtractForm::kSidecar),
              FailsWith(ErrorCode::kIncompatible, "'output_hc_base.weight' has shape [2, 2, 1, 1]"));
}

// qwen4exp has no output_norm.
TEST(ExtractQwen4exp, NeedsOutputInPlaceOfItsNorm) {
  auto builder = edit_model("archs/qwen4exp/sidecar");
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
