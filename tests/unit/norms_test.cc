// Norms with, without and with twice the 1, as trained models have them.
#include "model/norms.h"

#include <gmock/gmock.h>

namespace mtpgraft {
namespace {

using enum NormVerdict;

// tests/models/mtp-base-8L-BF16.gguf.
const std::vector<NormMean> kTrained{
    {"blk.8.attn_k_norm.weight", 1.70},        {"blk.8.attn_norm.weight", 1.24},
    {"blk.8.attn_q_norm.weight", 1.72},        {"blk.8.nextn.enorm.weight", 1.01},
    {"blk.8.nextn.hnorm.weight", 1.14},        {"blk.8.nextn.shared_head_norm.weight", 1.68},
    {"blk.8.post_attention_norm.weight", 0.99}};

// tests/models/target-12L-Q4_K_M.gguf.
const std::vector<TrunkNorm> kTrunk{{"attn_norm.weight", 0.80, 1.40},
                                    {"post_attention_norm.weight", 0.57, 1.07},
                                    {"attn_k_norm.weight", 1.33, 1.62},
                                    {"attn_q_norm.weight", 1.33, 1.62},
                                    {"output_norm.weight", 1.78, 1.78}};

std::vector<NormMean> shifted(std::vector<NormMean> norms, double by) {
  for (auto& norm : norms) {
    norm.mean += by;
  }
  return norms;
}

std::vector<NormMean> with(std::vector<NormMean> norms, const std::string& name, double mean) {
  std::ranges::find_if(norms, [&](const auto& norm) { return norm.name.ends_with(name); })->mean = mean;
  return norms;
}

void expect_all(const std::vector<NormMean>& norms, const std::vector<TrunkNorm>& trunk, NormVerdict expected) {
  const auto judged = judge_norms(norms, trunk);
  EXPECT_EQ(judged.verdict, expected);
  for (const auto& [norm, verdict] : judged.norms) {
    EXPECT_EQ(verdict, expected) << norm.name << " " << norm.mean;
  }
}

TEST(Norms, OfATrainedHeadInEachConvention) {
  for (const auto& trunk : {kTrunk, std::vector<TrunkNorm>{}}) {
    expect_all(kTrained, trunk, kRight);
    expect_all(shifted(kTrained, -1), trunk, kRaw);
    expect_all(shifted(kTrained, 1), trunk, kDoubled);
  }
}

// enorm means of large models lie far from 1.
TEST(Norms, OfLargeModelsAreRightAndRaw) {
  for (const auto& trunk : {kTrunk, std::vector<TrunkNorm>{}}) {
    auto norms = with(with(kTrained, "enorm.weight", 0.27), "hnorm.weight", 0.6);
    expect_all(norms, trunk, kRight);
    expect_all(shifted(norms, -1), trunk, kRaw);
    expect_all(shifted(norms, 1), trunk, kDoubled);
  }
}

TEST(Norms, OfAnyOneThatIsNotLikeTheOthersAreMixed) {
  for (std::size_t i = 0; i < kTrained.size(); ++i) {
    for (const auto& [by, wrong] : {std::pair(-1.0, kRaw), std::pair(1.0, kDoubled)}) {
      auto norms = kTrained;
      norms[i].mean += by;
      const auto judged = judge_norms(norms, kTrunk);
      EXPECT_EQ(judged.verdict, kMixed) << norms[i].name;
      for (std::size_t j = 0; j < norms.size(); ++j) {
        EXPECT_EQ(judged.norms[j].verdict, i == j ? wrong : kRight) << norms[i].name << ", " << norms[j].name;
      }
      for (auto& norm : norms) {
        norm.mean -= by;
      }
      EXPECT_EQ(judge_norms(norms, kTrunk).verdict, kMixed) << "right among others: " << norms[i].name;
    }
  }
}

// As a head has them before it is trained, whatever the trunk's are.
TEST(Norms, OfOnesAreRight) {
  auto ones = kTrained;
  for (auto& norm : ones) {
    norm.mean = 1;
  }
  EXPECT_EQ(judge_norms(ones, kTrunk).verdict, kRight);
  EXPECT_EQ(judge_norms(ones, {}).verdict, kRight);
}

TEST(Norms, ThatTellNothingAreUnclear) {
  EXPECT_EQ(judge_norms({}, kTrunk).verdict, kUnclear);
  EXPECT_EQ(judge_norms({{"blk.8.nextn.enorm.weight", 0.6}, {"blk.8.nextn.hnorm.weight", 0.7}}, {}).verdict, kUnclear);
}

// The trunk's means may reach so far that they alone do not tell.
TEST(Norms, OfAWideTrunkAreJudgedByTheOthers) {
  const std::vector<TrunkNorm> wide{{"attn_norm.weight", 0.3, 2.2}, {"post_attention_norm.weight", 0.3, 2.2}};
  expect_all(kTrained, wide, kRight);
  expect_all(shifted(kTrained, -1), wide, kRaw);
}

}  // namespace
}  // namespace mtpgraft
