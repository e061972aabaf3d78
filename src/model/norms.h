// Norm weights lie around 1. Of models that compute with 1 + w, checkpoints have w, which lies around 0, and GGUFs have
// 1 + w. Whether a head's norms have the 1 must be told by their means, one by one: some programs add it to some only.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/head.h"

namespace mtpgraft {

inline constexpr std::string_view kOutputNormName = "output_norm.weight";

// By the tensor's name in a GGUF.
inline bool is_norm(std::string_view name) { return name.ends_with("norm.weight"); }

enum class NormVerdict : std::uint8_t {
  kRight,    // 1 + w
  kRaw,      // w
  kDoubled,  // 2 + w
  kMixed,    // of a head: some are one, some another
  kUnclear,
};

struct NormMean {
  std::string name;  // in a GGUF
  double mean = 0;
};

struct JudgedNorm {
  NormMean norm;
  NormVerdict verdict;
};

struct JudgedNorms {
  std::vector<JudgedNorm> norms;  // as they were given
  NormVerdict verdict = NormVerdict::kUnclear;
};

// `trunk` may lack any norm, or all.
JudgedNorms judge_norms(std::vector<NormMean> head, std::span<const TrunkNorm> trunk);

// "'blk.8.attn_norm.weight' has a mean of 0.24: without the 1".
std::string describe_norm(const JudgedNorm& judged);

// Nothing if there are no values, or if one is not finite.
std::optional<double> mean_of(std::span<const float> values);
std::optional<double> median_of_means(std::span<const NormMean> norms);

// Takes another block's norm of that name into account.
void add_trunk_norm(std::vector<TrunkNorm>& trunk, std::string_view name, std::span<const float> values);

}  // namespace mtpgraft
