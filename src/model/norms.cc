#include "model/norms.h"

#include <algorithm>
#include <numeric>

namespace mtpgraft {

std::optional<double> median_of_means(const std::vector<std::span<const float>>& norms) {
  std::vector<double> means;
  for (const auto& norm : norms) {
    if (!norm.empty()) {
      means.push_back(std::accumulate(norm.begin(), norm.end(), 0.0) / static_cast<double>(norm.size()));
    }
  }
  if (means.empty()) {
    return std::nullopt;
  }
  std::ranges::sort(means);
  return means[means.size() / 2];
}

}  // namespace mtpgraft
