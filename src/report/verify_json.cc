// What verify prints with --json.
#include "report/json.h"
#include "report/json_parts.h"
#include "report/key_json.h"
#include "report/words.h"

namespace mtpgraft::report {
namespace {

std::string_view name_of(CheckResult result) {
  switch (result) {
    case CheckResult::kOk:
      return "ok";
    case CheckResult::kDiffers:
      return "differs";
    case CheckResult::kMissing:
      return "missing";
    case CheckResult::kNotComparable:
      return "not_comparable";
  }
  return "";
}

Json lines_json(const std::vector<ListedTensor>& lines) {
  auto json = Json::array();
  for (const auto& line : lines) {
    json.push_back({{"name", line.name}, {"result", name_of(line.result)}});
  }
  return json;
}

}  // namespace

std::string verification_to_json(const std::string& path, const VerifyReport& report) {
  auto json = envelope("verify", report.ok());
  auto& result = json["result"];
  result["path"] = path;
  result["compared_bytes"] = report.compared_bytes;
  result["shared_bytes"] = report.shared_bytes;
  result["unchecked_bytes"] = report.unchecked_bytes;
  result["findings"] = Json::array();
  for (const auto& finding : list_findings(report)) {
    result["findings"].push_back({{"message", finding.message},
                                  {"offset", optional_json(finding.offset)},
                                  {"path", finding.path.empty() ? path : finding.path}});
  }
  result["notes"] = list_notes(report);
  result["warnings"] = warnings_json(report.warnings);
  add_claims(result, report.labels, report.edits);
  return dump(json);
}

std::string check_to_json(const std::string& path, const std::string& list_path, const ListReport& report) {
  auto json = envelope("verify", report.ok);
  auto& result = json["result"];
  result["path"] = path;
  result["checkfile"] = list_path;
  result["tensors"] = lines_json(report.lines);
  result["files"] = lines_json(report.files);
  result["other_files"] = report.other_files;
  result["not_listed"] = report.extra;
  result["unlisted_trunk_tensors"] = report.unlisted_trunk_tensors;
  result["bad_lines"] = report.bad_lines;
  result["metadata_equal"] = report.metadata_equal ? Json(*report.metadata_equal) : Json(nullptr);
  result["all_data"] = report.all_data ? Json(name_of(*report.all_data)) : Json(nullptr);
  return dump(json);
}

}  // namespace mtpgraft::report
