// Norm weights lie around 1. Of models that compute with 1 + w, checkpoints have w, which lies around 0, and GGUFs have
// 1 + w.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace mtpgraft {

inline constexpr double kUnshiftedNormsBelow = 0.5;

// By the tensor's name in a GGUF.
inline bool is_norm(std::string_view name) { return name.ends_with("norm.weight"); }

// Single norms stray: of trained heads, some q_norms have w = 0.7 and some feed-forward norms w = -0.4. The median
// tells. Nothing if there are no values.
std::optional<double> median_of_means(const std::vector<std::span<const float>>& norms);

}  // namespace mtpgraft
