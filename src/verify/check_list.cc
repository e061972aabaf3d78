#include <algorithm>
#include <set>

#include "mtpgraft/head.h"
#include "mtpgraft/verify.h"

namespace mtpgraft {
namespace {

bool passes(const ListReport& report, const ListOptions& options) {
  const auto count = [&](CheckResult result) {
    return std::ranges::count(report.lines, result, &ListedTensor::result);
  };
  return (count(CheckResult::kOk) > 0 || report.all_data == CheckResult::kOk) && count(CheckResult::kDiffers) == 0 &&
         report.all_data != CheckResult::kDiffers && (options.ignore_missing || count(CheckResult::kMissing) == 0) &&
         report.extra.empty() && report.metadata_equal.value_or(true) && (!options.strict || report.bad_lines.empty());
}

}  // namespace

Result<ListReport> check_against_list(const OpenedModel& model, std::string_view text, const std::string& list_path,
                                      const ListOptions& options, const Progress& progress) {
  const auto& gguf = model.gguf;
  auto list = parse_checkfile(text);
  if (list.checksums.empty()) {
    return Error{.code = ErrorCode::kMalformed,
                 .message = "no line of it is a checksum",
                 .path = list_path,
                 .remedy = Remedy::kMakeList};
  }
  if (!options.exact) {
    // A graft changes keys by design.
    std::erase_if(list.checksums, [](const Checksum& checksum) { return checksum.name == kMetadataName; });
  }
  MTPGRAFT_TRY(const auto results, check_listed(*model.file, gguf, list.checksums, progress));
  ListReport report;
  report.bad_lines = std::move(list.bad_lines);
  std::set<std::string_view> listed;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& name = list.checksums[i].name;
    listed.insert(name);
    if (name == kMetadataName) {
      report.metadata_equal = report.metadata_equal.value_or(true) && results[i] == CheckResult::kOk;
    } else if (name == kAllDataName) {
      report.all_data = std::max(report.all_data.value_or(CheckResult::kOk), results[i]);
    } else if (!report.lines.empty() && report.lines.back().name == name) {
      report.lines.back().result = std::max(report.lines.back().result, results[i]);
    } else if (results[i] != CheckResult::kMissing || !options.ignore_missing) {
      report.lines.push_back({name, results[i]});
    }
  }
  const bool has_all_data = report.all_data && report.all_data != CheckResult::kNotComparable;
  const auto head = find_head(gguf);
  const std::set<std::size_t> head_tensors(head.tensors.begin(), head.tensors.end());
  for (std::size_t i = 0; i < gguf.tensors.size(); ++i) {
    if (listed.contains(gguf.tensors[i].name) || has_all_data) {
      continue;
    }
    if (options.exact) {
      report.extra.push_back(gguf.tensors[i].name);
    } else if (!head_tensors.contains(i)) {
      ++report.unlisted_trunk_tensors;
    }
  }
  report.ok = passes(report, options);
  return report;
}

}  // namespace mtpgraft
