#include <algorithm>
#include <numeric>

#include "report/json_parts.h"
#include "report/release.h"
#include "util/text.h"

namespace mtpgraft::report {
namespace {

constexpr int kReleaseSchemaVersion = 1;
constexpr std::string_view kTool = "mtpgraft";
constexpr std::size_t kSha256Digits = 64;
constexpr std::string_view kSha256Separator = "  ";

Json head_json(const ReleasedGraft& graft) {
  return {{"first_block", graft.first_head_block},
          {"blocks", graft.head_block_count},
          {"tensors", graft.head_tensor_count},
          {"bytes", graft.head_bytes},
          {"types", types_json(graft.head_types)},
          {"xxh128", graft.head_digest.empty() ? Json() : Json(graft.head_digest)}};
}

Json model_json(const ReleasedModel& model) { return {{"file", model.name}, {"bytes", model.bytes}}; }

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

Json graft_json(const ReleasedGraft& graft) {
  auto files = Json::array();
  for (const auto& file : graft.files) {
    files.push_back({{"path", file.path},
                     {"bytes", file.bytes},
                     {"sha256", file.sha256.empty() ? Json(nullptr) : Json(file.sha256)}});
  }
  return {{"target", graft.target.path},
          {"donor", graft.donor.path},
          {"output", graft.output},
          {"arguments", graft.arguments},
          {"present", graft.state == ReleaseState::kPresent || graft.state == ReleaseState::kSkipped},
          {"state", state_name(graft.state)},
          {"files", std::move(files)},
          {"quant", graft.quant},
          {"keys", changes_json(graft.key_changes)},
          {"head", head_json(graft)},
          {"warnings", warnings_json(graft.warnings)}};
}

}  // namespace

std::uint64_t ReleasedGraft::bytes() const {
  return std::accumulate(files.begin(), files.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const ReleasedFile& file) { return sum + file.bytes; });
}

std::string release_to_json(const ReleaseReport& report) {
  Json result;
  result["plan"] = report.plan_path;
  result["dry_run"] = report.dry_run;
  result["needed_bytes"] = report.needed_bytes;
  result["grafts"] = Json::array();
  for (const auto& graft : report.grafts) {
    result["grafts"].push_back(graft_json(graft));
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

std::string make_release_file(const std::vector<ReleasedGraft>& grafts, std::string_view version) {
  Json json{
      {"schema_version", kReleaseSchemaVersion}, {"tool", kTool}, {"version", version}, {"grafts", Json::array()}};
  for (const auto& graft : grafts) {
    auto files = Json::array();
    for (const auto& file : graft.files) {
      files.push_back({{"file", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
    }
    json["grafts"].push_back(
        {{"files", std::move(files)},
         {"checksums", graft.sums_name},
         {"quant", graft.quant},
         {"target", model_json(graft.target)},
         {"donor", model_json(graft.donor)},
         {"keys", changes_json(graft.key_changes)},
         {"head", head_json(graft)},
         {"warnings", warnings_json(graft.warnings)},
         {"record", graft.record.empty() ? Json(nullptr) : Json::parse(graft.record, nullptr, false)},
         {"command", graft.command},
         {"llama_server", llama_server_line(graft)}});
  }
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + '\n';
}

std::string make_sha256_file(const std::vector<ReleasedGraft>& grafts) {
  std::string text;
  for (const auto& graft : grafts) {
    for (const auto& file : graft.files) {
      text.append(file.sha256).append(kSha256Separator).append(file.name).append("\n");
    }
  }
  return text;
}

bool is_release_file(std::string_view text) {
  const auto json = Json::parse(text, nullptr, false);
  return json.is_object() && json.contains("tool") && json["tool"] == kTool && json.contains("grafts");
}

std::optional<std::vector<std::string>> names_in_sha256_file(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    if (line.size() <= kSha256Digits + kSha256Separator.size() ||
        line.find_first_not_of("0123456789abcdef") != kSha256Digits) {
      return std::nullopt;
    }
    names.emplace_back(line.substr(kSha256Digits + kSha256Separator.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return names;
}

}  // namespace mtpgraft::report
