// What loads, and may draft noise: each warning has a stable id.
#include <fmt/core.h>

#include "edit_gguf.h"
#include "matchers.h"
#include "model/compatibility.h"
#include "models.h"

namespace mtpgraft {
namespace {

std::vector<Warning> warnings_of(const Model& target, const Model& donor) { return make_plan(target, donor).warnings; }

// Expects exactly that warning.
void expect_warning(const Model& target, const Model& donor, std::string_view id, const std::string& part) {
  const auto warnings = warnings_of(target, donor);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0].id, id);
  EXPECT_THAT(warnings[0].message, testing::HasSubstr(part));
}

void expect_warning(std::string_view target, std::string_view donor, std::string_view id, const std::string& part) {
  SCOPED_TRACE(fmt::format("{} + {}", target, donor));
  expect_warning(load_model(target), load_model(donor), id, part);
}

TEST(Warnings, AreNotGivenForASoundPair) {
  const auto target = load_model(kTarget);
  for (const std::string name : {"mtp-base-8L-BF16", "mtp-base-8L-Q8_0", "mtp-base-8L-Q4_K_M", "mtp-random-8L-F16",
                                 "head-only-base-8L-BF16", "donor-norms-bf16", "donor-recurrent-layers"}) {
    const auto donor = load_model(name);
    EXPECT_TRUE(warnings_of(target, donor).empty()) << name;
  }
}

TEST(Warnings, OfParametersThatTheRuntimeTakesFromTheTarget) {
  expect_warning(kTarget, "donor-rope", "parameter-differs", "rope.freq_base: target 10000, donor 1000000");
  expect_warning(kTarget, "donor-eps", "parameter-differs",
                 "attention.layer_norm_rms_epsilon: target 1e-06, donor 1e-05");
  auto donor = load_model(kDonor);
  set_array<std::int32_t>(donor.gguf, "qwen35.rope.dimension_sections", {11, 11, 10, 0});
  expect_warning(load_model(kTarget), donor, "parameter-differs",
                 "rope.dimension_sections: target [3, 3, 2, 0], donor [11, 11, 10, 0]");
  donor = load_model(kDonor);
  set_u32(donor.gguf, "qwen35.rope.dimension_count", 32);
  expect_warning(load_model(kTarget), donor, "parameter-differs", "rope.dimension_count: target 16, donor 32");
}

TEST(Warnings, OfNormsWithoutTheOne) {
  expect_warning(kTarget, "donor-norms-unshifted", "norms-unshifted", "7 of the head's 7 norm weights are not 1 + w");
}

TEST(Warnings, OfAnotherBaseModel) {
  expect_warning("target-base-model", "donor-base-model", "base-model-differs",
                 "based on 'https://huggingface.co/x/tiny-qwen35-base-8l', the donor's head belongs to "
                 "'https://huggingface.co/x/something-else-9b'");
  EXPECT_TRUE(warnings_of(load_model("target-base-model"), load_model(kDonor)).empty());
  EXPECT_TRUE(warnings_of(load_model("target-base-model"), load_model("donor-tensors-only-no-keys")).empty());
}

// Spelling does not matter, nor does a suffix that says that the head is in the file.
TEST(Warnings, OfAnotherBaseModelIgnoreSpelling) {
  const auto pair = [](std::string_view base, std::string_view donor_name) {
    auto target = load_model(kTarget);
    auto donor = load_model(kDonor);
    set_text(target.gguf, "general.base_model.0.name", base);
    set_text(donor.gguf, "general.name", donor_name);
    return warnings_of(target, donor).size();
  };
  EXPECT_EQ(pair("Qwen3.6 27B", "qwen3.6-27b-MTP"), 0U);
  EXPECT_EQ(pair("Qwen3.6-27B-Instruct", "Qwen3.6 27B"), 0U);
  EXPECT_EQ(pair("Qwen3.6-27B", "Qwen3.5-27B"), 1U);
  EXPECT_EQ(pair("Qwen3.6-27B", ""), 0U);
}

TEST(Warnings, OfAnyBaseModelOfSeveral) {
  auto target = load_model(kTarget);
  set_text(target.gguf, "general.base_model.0.name", "Something Else");
  set_text(target.gguf, "general.base_model.1.name", "tiny qwen35 base 8L");
  EXPECT_TRUE(warnings_of(target, load_model(kDonor)).empty());
}

TEST(Warnings, OfTypesThatOnlyAForkReads) {
  auto target = load_model(kTarget);
  edit_tensor(target.gguf, "blk.0.ffn_up.weight").type = 139;
  expect_warning(target, load_model("donor-fork-type"), "fork-type", "'blk.8.nextn.eh_proj.weight' has type IQ4_K");
}

TEST(Warnings, OfTypesThatNobodyReads) {
  auto target = load_model(kTarget);
  edit_tensor(target.gguf, "blk.0.ffn_up.weight").type = 199;
  expect_warning(target, load_model(kDonor), "type-unknown", "'blk.0.ffn_up.weight' has type #199");
}

TEST(Warnings, OfTypesThatGgmlHasRemoved) {
  auto target = load_model(kTarget);
  edit_tensor(target.gguf, "blk.0.ffn_up.weight").type = 5;
  expect_warning(target, load_model(kDonor), "type-unknown",
                 "'blk.0.ffn_up.weight' has type Q4_3, which ggml has removed");
}

// A head of such types is refused unless the target is a fork's, too.
TEST(Warnings, OfTypesOfTheHeadThatNobodyReads) {
  auto target = load_model(kTarget);
  edit_tensor(target.gguf, "blk.0.ffn_up.weight").type = 139;
  for (const std::uint32_t type : {199U, 37U}) {
    auto donor = load_model(kDonor);
    edit_tensor(donor.gguf, "blk.8.nextn.eh_proj.weight").type = type;
    const auto fit = check_fit(target.gguf, find_head(target.gguf), donor.gguf, find_head(donor.gguf),
                               head_data_of(load_model(kDonor)), HeadPlace::kInModel);
    EXPECT_TRUE(std::ranges::any_of(fit.warnings, [](const Warning& warning) {
      return warning.id == "type-unknown" && warning.message.starts_with("head tensor 'blk.8.nextn.eh_proj.weight'");
    })) << type;
  }
}

TEST(Warnings, OfTensorsThatEveryModelHas) {
  for (const std::string name : {"token_embd.weight", "output_norm.weight"}) {
    auto target = load_model(kTarget);
    remove_tensor(target.gguf, name);
    expect_warning(target, load_model(kDonor), "tensor-missing", "'" + name + "'");
  }
}

TEST(Warnings, OfTensorsThatTheRuntimeDoesNotAskFor) {
  for (const std::string name : {"output_extra.weight", "v.blk.0.attn_q.weight", "mm.0.weight"}) {
    auto target = load_model(kTarget);
    edit_tensor(target.gguf, "output.weight").name = name;
    expect_warning(target, load_model(kDonor), "tensor-unasked", "'" + name + "'");
  }
}

TEST(Warnings, OfBytesThatAreDropped) {
  expect_warning("target-trailing-bytes", kDonor, "trailing-bytes", "the target has 5000 bytes after its last tensor");
}

TEST(Warnings, AreAllGiven) {
  auto donor = load_model("donor-norms-unshifted");
  set_scalar<float>(donor.gguf, "qwen35.rope.freq_base", 5e5F);
  EXPECT_EQ(warnings_of(load_model("target-trailing-bytes"), donor).size(), 3U);
}

}  // namespace
}  // namespace mtpgraft
