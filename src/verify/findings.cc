#include "verify/findings.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace mtpgraft {

void find_shards(const GgufFile& gguf, std::vector<Finding>& findings) {
  for (auto& finding : findings) {
    if (finding.offset && gguf.is_split()) {
      const auto& shard = gguf.file_at(*finding.offset);
      finding.path = shard.path;
      *finding.offset -= shard.offset;
    }
  }
}

void sort_findings(VerifyReport& report) {
  std::ranges::stable_sort(report.findings, {}, [](const Finding& finding) {
    return std::pair(std::string_view(finding.path), finding.offset);
  });
}

std::string describe_labels(const RecordLabels& labels) {
  return fmt::format("grafted by {} from '{}' into '{}'", labels.tool, labels.donor_file, labels.target_file);
}

}  // namespace mtpgraft
