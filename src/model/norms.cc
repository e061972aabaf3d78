#include "model/norms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace mtpgraft {
namespace {

// Of trained heads, right means are 0.27 (an enorm) to 1.8, and most are near 1; raw ones begin at -0.73.
constexpr double kRightFrom = 0.15;
constexpr double kRightBelow = 1.9;

// How far a head's norm may be from those of its name in the trunk: less than half of the 1 that is looked for.
constexpr double kDistanceMax = 0.4;

// A norm that is nearer to 1 is not called raw for the trunk's sake: the head's may be less trained.
constexpr double kRawByTrunkBelow = 0.75;

// Where no norm is clear by itself, most are: a head's are rarely all far from 1.
constexpr double kRawMedianBelow = 0.5;
constexpr double kRightMedianFrom = 0.75;

constexpr auto kConventions = std::to_array({NormVerdict::kRight, NormVerdict::kRaw, NormVerdict::kDoubled});

constexpr double as_right(double mean, NormVerdict convention) {
  return mean + (convention == NormVerdict::kRaw ? 1 : convention == NormVerdict::kDoubled ? -1 : 0);
}

// The trunk's norm that has the same place before the same kind of matrix; for enorm and hnorm there is none.
const TrunkNorm* find_reference(std::string_view name, std::span<const TrunkNorm> trunk) {
  const auto split = split_block_name(name);
  const auto in_block = split ? split->name : name;
  const auto wanted = in_block == "nextn.shared_head_norm.weight" ? kOutputNormName : in_block;
  const auto found = std::ranges::find(trunk, wanted, &TrunkNorm::name);
  return found != trunk.end() ? &*found : nullptr;
}

bool can_be(NormVerdict convention, double mean, const TrunkNorm* reference) {
  if (mean < kRightFrom) {
    return convention == NormVerdict::kRaw;
  }
  const auto right = as_right(mean, convention);
  if (reference == nullptr) {
    return right >= kRightFrom && right < kRightBelow;
  }
  return right >= reference->mean_min - kDistanceMax && right <= reference->mean_max + kDistanceMax &&
         (convention != NormVerdict::kRaw || mean < kRawByTrunkBelow);
}

// What the norm is if it can be one thing only.
NormVerdict judge_clear(double mean, const TrunkNorm* reference) {
  auto only = NormVerdict::kUnclear;
  for (const auto convention : kConventions) {
    if (can_be(convention, mean, reference)) {
      if (only != NormVerdict::kUnclear) {
        return NormVerdict::kUnclear;
      }
      only = convention;
    }
  }
  return only;
}

// What the others are, if it can be that; else something that it can be.
NormVerdict judge_like(NormVerdict others, double mean, const TrunkNorm* reference) {
  if (can_be(others, mean, reference)) {
    return others;
  }
  const auto* other =
      std::ranges::find_if(kConventions, [&](NormVerdict convention) { return can_be(convention, mean, reference); });
  return other != kConventions.end() ? *other : NormVerdict::kUnclear;
}

// What all of `norms` are that are clear; kMixed if they differ, kUnclear if none is.
NormVerdict common_verdict(std::span<const JudgedNorm> norms) {
  auto common = NormVerdict::kUnclear;
  for (const auto& [norm, verdict] : norms) {
    if (verdict != NormVerdict::kUnclear && verdict != common) {
      if (common != NormVerdict::kUnclear) {
        return NormVerdict::kMixed;
      }
      common = verdict;
    }
  }
  return common;
}

std::string_view verdict_word(NormVerdict verdict) {
  switch (verdict) {
    case NormVerdict::kRight:
      return "right";
    case NormVerdict::kRaw:
      return "without the 1";
    case NormVerdict::kDoubled:
      return "1 too many";
    case NormVerdict::kMixed:
    case NormVerdict::kUnclear:
      break;
  }
  return "unclear";
}

}  // namespace

JudgedNorms judge_norms(std::vector<NormMean> head, std::span<const TrunkNorm> trunk) {
  const auto median = median_of_means(head);
  JudgedNorms judged;
  for (auto& norm : head) {
    const auto verdict = judge_clear(norm.mean, find_reference(norm.name, trunk));
    judged.norms.push_back({std::move(norm), verdict});
  }
  auto others = common_verdict(judged.norms);
  if (others == NormVerdict::kMixed) {
    return {std::move(judged.norms), others};
  }
  if (others == NormVerdict::kUnclear && median) {
    others = *median < kRawMedianBelow ? NormVerdict::kRaw : *median >= kRightMedianFrom ? NormVerdict::kRight : others;
  }
  // What can be more than one thing is what the others are: an enorm of 1.3 is right, or 0.3 with 1 too many.
  for (auto& [norm, verdict] : judged.norms) {
    if (verdict == NormVerdict::kUnclear && others != NormVerdict::kUnclear) {
      verdict = judge_like(others, norm.mean, find_reference(norm.name, trunk));
    }
  }
  judged.verdict = common_verdict(judged.norms);
  return judged;
}

std::string describe_norm(const JudgedNorm& judged) {
  return fmt::format("'{}' has a mean of {:.2f}: {}", judged.norm.name, judged.norm.mean, verdict_word(judged.verdict));
}

std::optional<double> mean_of(std::span<const float> values) {
  const auto mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return std::isfinite(mean) ? std::optional(mean) : std::nullopt;
}

std::optional<double> median_of_means(std::span<const NormMean> norms) {
  std::vector<double> means;
  for (const auto& norm : norms) {
    means.push_back(norm.mean);
  }
  std::ranges::sort(means);
  return means.empty() ? std::nullopt : std::optional(means[means.size() / 2]);
}

void add_trunk_norm(std::vector<TrunkNorm>& trunk, std::string_view name, std::span<const float> values) {
  const auto mean = mean_of(values);
  const auto found = std::ranges::find(trunk, name, &TrunkNorm::name);
  if (!mean) {
    return;
  }
  if (found == trunk.end()) {
    trunk.push_back({std::string(name), *mean, *mean});
  } else {
    found->mean_min = std::min(found->mean_min, *mean);
    found->mean_max = std::max(found->mean_max, *mean);
  }
}

}  // namespace mtpgraft
