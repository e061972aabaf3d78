// Heads whose values no training leaves behind: what becomes of a graft with them.
#include <fmt/core.h>

#include <cmath>
#include <cstring>
#include <map>

#include "edit_gguf.h"
#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/convert.h"
#include "mtpgraft/job.h"
#include "mtpgraft/strip.h"
#include "mtpgraft/verify.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kMatrix = "blk.8.ffn_up.weight";

void put_word(Model& model, std::string_view tensor, std::uint64_t offset, std::uint16_t word) {
  auto bytes = model.bytes();
  std::memcpy(&bytes[model.gguf.find_tensor(tensor)->offset + offset], &word, sizeof word);
  model = parse_model(model.gguf.path, std::move(bytes));
}

void put_zeros(Model& model, std::string_view tensor, std::uint64_t offset, std::uint64_t length) {
  auto bytes = model.bytes();
  std::memset(&bytes[model.gguf.find_tensor(tensor)->offset + offset], 0, length);
  model = parse_model(model.gguf.path, std::move(bytes));
}

void put_zeros(Model& model, std::string_view tensor) {
  put_zeros(model, tensor, 0, model.gguf.find_tensor(tensor)->size_bytes);
}

Model with_nan() {
  auto donor = load_model(kDonor);
  put_word(donor, kMatrix, 1000, 0x7FC0);
  return donor;
}

TEST(HeadValues, OfTheBundledHeadsAreSound) {
  for (const auto* name :
       {"mtp-base-8L-BF16", "mtp-base-8L-Q8_0", "mtp-base-8L-Q4_K_M", "mtp-random-8L-F16", "head-only-base-8L-BF16"}) {
    const auto data = head_data_of(load_model(name));
    EXPECT_THAT(data.flaws, IsEmpty()) << name;
    EXPECT_THAT(data.unknown_types, IsEmpty()) << name;
  }
}

TEST(HeadValues, ThatAreAllZeroAreRefusedInMatricesAndNorms) {
  for (const std::string name :
       {"blk.8.ffn_up.weight", "blk.8.nextn.eh_proj.weight", "blk.8.nextn.enorm.weight", "blk.8.attn_q_norm.weight"}) {
    auto donor = load_model(kDonor);
    put_zeros(donor, name);
    EXPECT_THAT(try_plan(load_model(kTarget), donor),
                FailsWith(ErrorCode::kIncompatible, "'" + name + "' has nothing but zeros"));
    EXPECT_THAT(make_extract_plan(donor.gguf, head_data_of(donor), nullptr, ExtractForm::kTensorsOnly),
                FailsWith(ErrorCode::kIncompatible, "'" + name + "' has nothing but zeros"));
  }
}

TEST(HeadValues, ThatAreAllZeroAreAllNamed) {
  auto donor = load_model("mtp-base-8L-Q4_K_M");
  put_zeros(donor, kMatrix);
  put_zeros(donor, "blk.8.attn_norm.weight");
  const auto refused = try_plan(load_model(kTarget), donor);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().details, testing::SizeIs(2));
}

TEST(HeadValues, ThatAreAllZeroAreFineInBiasesAndSinks) {
  const auto donor = load_model(kDonor);
  GgufBuilder builder(donor.bytes(), donor.gguf);
  builder.floats("blk.8.attn_q.bias", {512}, 0)
      .floats("blk.8.exp_probs_b.bias", {8}, 0)
      .floats("blk.8.exp_probs_b", {8}, 0)
      .floats("blk.8.ffn_up_exps.bias", {512, 64}, 0)
      .floats("blk.8.attn_sinks.weight", {4}, 0);
  EXPECT_THAT(head_data_of(parse_model("biased.gguf", builder.build())).flaws, IsEmpty());
}

TEST(HeadValues, ThatAreNotFiniteAreWarnedOf) {
  const auto donor = with_nan();
  const auto plan = make_plan(load_model(kTarget), donor);
  ASSERT_EQ(plan.warnings.size(), 1U);
  EXPECT_EQ(plan.warnings[0].id, "head-values");
  EXPECT_EQ(plan.warnings[0].message,
            fmt::format("head tensor 'blk.8.ffn_up.weight' has 1 value that is NaN or infinite; the first, NaN, is in "
                        "element 500, byte {} of 'mtp-base-8L-BF16.gguf'",
                        donor.gguf.find_tensor(kMatrix)->offset + 1000));
}

TEST(HeadValues, OfScalesAndOfVectorsToo) {
  auto donor = load_model("mtp-base-8L-Q4_K_M");
  put_word(donor, kMatrix, 2 * 144 + 2, 0x7C00);
  put_word(donor, kMatrix, 5 * 144, 0x7C01);
  put_word(donor, "blk.8.attn_norm.weight", 4 * 7 + 2, 0xFFFF);
  std::vector<std::string> messages;
  for (const auto& warning : make_plan(load_model(kTarget), donor).warnings) {
    messages.push_back(warning.message);
  }
  EXPECT_THAT(messages, testing::UnorderedElementsAre(HasSubstr("2 scales that are NaN or infinite; the first, "
                                                                "infinity, is in block 2, byte"),
                                                      HasSubstr("'blk.8.attn_norm.weight' has 1 value")));
}

TEST(HeadValues, WithAHoleAreWarnedOf) {
  auto donor = load_model(kDonor);
  put_zeros(donor, kMatrix, 1001, 65'535);
  EXPECT_THAT(make_plan(load_model(kTarget), donor).warnings, IsEmpty());
  put_zeros(donor, kMatrix, 1001, 65'536);
  const auto plan = make_plan(load_model(kTarget), donor);
  ASSERT_EQ(plan.warnings.size(), 1U);
  EXPECT_EQ(plan.warnings[0].id, "head-zero-run");
  EXPECT_THAT(plan.warnings[0].message, HasSubstr("has 65536 zero bytes from element 500, byte"));
}

// Pieces are of 256 KiB.
TEST(HeadValues, WithAHoleOverTheBorderOfPieces) {
  auto donor = load_model(kDonor);
  ASSERT_GT(donor.gguf.find_tensor(kMatrix)->size_bytes, 330'000U);
  put_zeros(donor, kMatrix, 262'144 - 30'000, 65'536);
  const auto flaws = head_data_of(donor).flaws;
  ASSERT_EQ(flaws.size(), 1U);
  EXPECT_EQ(flaws[0].offset, 262'144U - 30'000);
  EXPECT_EQ(flaws[0].bytes, 65'536U);
}

TEST(HeadValues, AreLookedAtWithTheDigestOnly) {
  const auto donor = with_nan();
  const auto data = read_head_data(*donor.file, donor.gguf, DigestHead::kNo, keep_going);
  ASSERT_THAT(data, IsOk());
  EXPECT_THAT(data.value().flaws, IsEmpty());
  EXPECT_FALSE(data.value().digest);
}

TEST(HeadValues, OfTypesThatAreNotKnownAreSaidNotToBe) {
  const auto donor = load_model("donor-fork-type");
  EXPECT_THAT(head_data_of(donor).unknown_types, ElementsAre("IQ4_K"));
}

TEST(HeadValues, NormsOfTheTrunkAreRead) {
  const auto target = load_model(kTarget);
  const auto norms = read_trunk_norms(*target.file, target.gguf);
  ASSERT_THAT(norms, IsOk());
  std::map<std::string, std::pair<double, double>> means;
  for (const auto& [name, lowest, highest] : norms.value()) {
    means[name] = {std::round(lowest * 100) / 100, std::round(highest * 100) / 100};
  }
  EXPECT_EQ(means["attn_norm.weight"], std::pair(0.80, 1.40));
  EXPECT_EQ(means["attn_q_norm.weight"], std::pair(1.33, 1.62));
  EXPECT_EQ(means["output_norm.weight"], std::pair(1.78, 1.78));
}

// A disk in memory, on which nothing must have been written.
class HeadValuesJob : public testing::Test {
 protected:
  HeadValuesJob() {
    files_.put("Model.gguf", read_bytes(model_path(kTarget)));
    files_.put("nan.gguf", with_nan().bytes());
    auto zero = load_model(kDonor);
    put_zeros(zero, kMatrix);
    files_.put("zero.gguf", zero.bytes());
  }

  static GraftRequest request(const std::string& donor) {
    return {.target = "Model.gguf", .donor = {.path = donor}, .output = {.path = "out.gguf"}};
  }

  MemoryFileSystem files_;
  const Context context_{files_, {}};
};

TEST_F(HeadValuesJob, AreRefusedBeforeTheFirstByteIsWritten) {
  auto strict = request("nan.gguf");
  strict.strict = true;
  auto bare = request("zero.gguf");
  bare.no_record = true;
  auto strict_bare = strict;
  strict_bare.no_record = true;
  for (const auto& refused : {strict, bare, strict_bare, request("zero.gguf")}) {
    EXPECT_THAT(graft(refused, context_), FailsWith(ErrorCode::kIncompatible, "'blk.8.ffn_up.weight' has"));
  }
  EXPECT_THAT(extract({.donor = {.path = "zero.gguf"}, .output = {.path = "out.gguf"}}, context_),
              FailsWith(ErrorCode::kIncompatible, "nothing but zeros"));
  EXPECT_EQ(files_.write_count(), 0U);
}

TEST_F(HeadValuesJob, AreRefusedAtEachTry) {
  auto strict = request("nan.gguf");
  strict.strict = true;
  auto job = prepare_graft(strict, context_);
  ASSERT_THAT(job, IsOk()) << "a dry run does not look at them";
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(check(job.value(), context_), IsOk());
    EXPECT_THAT(write(job.value(), context_), FailsWith(ErrorCode::kIncompatible, "NaN"));
  }
  EXPECT_EQ(files_.write_count(), 0U);
}

TEST_F(HeadValuesJob, AreWarnedOfByEachCommand) {
  auto bare = request("nan.gguf");
  bare.no_record = true;
  const auto grafted = graft(bare, context_);
  ASSERT_THAT(grafted, IsOk());
  ASSERT_EQ(grafted.value().warnings.size(), 1U);
  EXPECT_EQ(grafted.value().warnings[0].id, "head-values");
  const auto extracted = extract({.donor = {.path = "nan.gguf"}, .output = {.path = "head.gguf"}}, context_);
  ASSERT_THAT(extracted, IsOk());
  ASSERT_EQ(extracted.value().warnings.size(), 1U);
  EXPECT_EQ(extracted.value().warnings[0].id, "head-values");
}

TEST_F(HeadValuesJob, AreFoundByVerify) {
  ASSERT_THAT(graft(request("nan.gguf"), context_), IsOk());
  const auto written = parse_model("out.gguf", *files_.find("out.gguf"));
  const auto offset = written.gguf.find_tensor("blk.12.ffn_up.weight")->offset + 1000;
  for (const auto& request : {VerifyRequest{.file = "out.gguf"},
                              VerifyRequest{.file = "out.gguf", .target = "Model.gguf", .donor = {"nan.gguf"}}}) {
    const auto report = verify(request, context_);
    ASSERT_THAT(report, IsOk());
    ASSERT_EQ(report.value().findings.size(), 1U);
    EXPECT_THAT(report.value().findings[0].message, HasSubstr("ffn_up.weight' has 1 value that is NaN"));
    EXPECT_EQ(report.value().findings[0].offset, offset);
  }
  const auto sidecar = verify({.file = "zero.gguf"}, context_);
  ASSERT_THAT(sidecar, IsOk());
  EXPECT_FALSE(sidecar.value().ok());
}

TEST_F(HeadValuesJob, OfAConvertedHeadAreThoseOfTheConvertedOne) {
  auto converted = request("zero.gguf");
  converted.donor.head_type = "q8_0";
  EXPECT_THAT(graft(converted, context_), FailsWith(ErrorCode::kIncompatible, "as it is converted"));
  converted = request("nan.gguf");
  converted.donor.head_type = "f16";
  const auto job = graft(converted, context_);
  ASSERT_THAT(job, IsOk());
  ASSERT_EQ(job.value().warnings.size(), 1U);
  EXPECT_THAT(job.value().warnings[0].message, HasSubstr("byte 1000 of the tensor as it is converted"));
}

// The byte is that of the shard.
TEST_F(HeadValuesJob, OfASplitDonorAreFoundInItsFiles) {
  ASSERT_THAT(graft(request("nan.gguf"), context_), IsOk());
  auto split = request("nan.gguf");
  split.split = Split::kHead;
  split.output.path = "Split.gguf";
  ASSERT_THAT(graft(split, context_), IsOk());
  auto again = request("Split-00001-of-00002.gguf");
  again.output.path = "again.gguf";
  const auto job = graft(again, context_);
  ASSERT_THAT(job, IsOk());
  ASSERT_EQ(job.value().warnings.size(), 1U);
  const auto shard = parse_model("shard", *files_.find("Split-00002-of-00002.gguf"));
  const auto at = shard.gguf.find_tensor("blk.12.ffn_up.weight")->offset + 1000;
  EXPECT_THAT(job.value().warnings[0].message, HasSubstr(fmt::format("byte {} of 'Split-00002-of-00002.gguf'", at)));
  const auto report = verify({.file = "Split-00001-of-00002.gguf"}, context_);
  ASSERT_THAT(report, IsOk());
  ASSERT_EQ(report.value().findings.size(), 1U);
  EXPECT_EQ(report.value().findings[0].offset, at);
  EXPECT_EQ(report.value().findings[0].path, "Split-00002-of-00002.gguf");
}

TEST_F(HeadValuesJob, NormsOfADonorAreComparedWithTheTargets) {
  auto donor = load_model(kDonor);
  const auto& norm = *donor.gguf.find_tensor("blk.8.attn_q_norm.weight");
  auto bytes = donor.bytes();
  for (std::uint64_t i = 0; i < norm.element_count(); ++i) {
    float value = 0;
    std::memcpy(&value, &bytes[norm.offset + 4 * i], 4);
    value -= 1;
    std::memcpy(&bytes[norm.offset + 4 * i], &value, 4);
  }
  files_.put("raw.gguf", bytes);
  const auto job = prepare_graft(request("raw.gguf"), context_);
  ASSERT_THAT(job, IsOk());
  ASSERT_EQ(job.value().warnings.size(), 1U);
  EXPECT_EQ(job.value().warnings[0].id, "norms-unshifted");
  EXPECT_THAT(job.value().warnings[0].message,
              HasSubstr("'blk.8.attn_q_norm.weight' has a mean of 0.72: without the 1"));
}

}  // namespace
}  // namespace mtpgraft
