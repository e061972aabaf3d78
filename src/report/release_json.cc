#include "release/lists.h"
#include "report/json_parts.h"
#include "report/release.h"

namespace mtpgraft::report {
namespace {

std::string_view state_name(ReleaseState state) {
  switch (state) {
    case ReleaseState::kToWrite:
      return "to-write";
    case ReleaseState::kPresent:
      return "present";
    case ReleaseState::kWritten:
      return "written";
    case ReleaseState::kSkipped:
      return "skipped";
  }
  return "";
}

Json source_digests_json(const ReleasedGraft& graft) {
  const bool is_known = !graft.target.files.empty();
  return is_known ? digests_json({graft.target.files, graft.donor.files}) : Json(nullptr);
}

Json graft_json(const ReleasedGraft& graft, const BenchCards& cards) {
  auto files = Json::array();
  for (const auto& file : graft.files) {
    files.push_back({{"path", file.path},
                     {"bytes", file.bytes},
                     {"sha256", file.sha256.empty() ? Json(nullptr) : Json(file.sha256)}});
  }
  return {{"target", graft.target.path},
          {"donor", graft.donor.path},
          {"donor_commit", text_or_null(graft.donor.commit)},
          {"source_digests", source_digests_json(graft)},
          {"output", graft.output},
          {"arguments", graft.arguments},
          {"present", graft.state == ReleaseState::kPresent || graft.state == ReleaseState::kSkipped},
          {"state", state_name(graft.state)},
          {"files", std::move(files)},
          {"quant", graft.quant},
          {"keys", changes_json(graft.key_changes)},
          {"head", released_head_json(graft)},
          {"bench_card", text_or_null(card_of(graft, cards))},
          {"warnings", warnings_json(graft.warnings)}};
}

}  // namespace

std::string release_to_json(const ReleaseReport& report, const BenchCards& cards) {
  Json result;
  result["plan"] = report.plan_path;
  result["dry_run"] = report.dry_run;
  result["needed_bytes"] = report.needed_bytes;
  result["grafts"] = Json::array();
  for (const auto& graft : report.grafts) {
    result["grafts"].push_back(graft_json(graft, cards));
  }
  result["lists"] = report.lists;
  auto json = envelope("release", report.problems.empty());
  if (!report.problems.empty()) {
    json["error"] = error_json(report.problems.front(), Front::kPlan);
    result["problems"] = Json::array();
    for (const auto& problem : report.problems) {
      result["problems"].push_back(error_json(problem, Front::kPlan));
    }
  }
  json["result"] = std::move(result);
  return dump(json);
}

}  // namespace mtpgraft::report
