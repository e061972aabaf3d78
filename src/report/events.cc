#include "report/events.h"

#include <algorithm>
#include <cmath>

#include "net/http_text.h"
#include "report/json_parts.h"
#include "util/url.h"

namespace mtpgraft::report {
namespace {

std::string_view name_of(PhaseState state) {
  switch (state) {
    case PhaseState::kBegin:
      return "begin";
    case PhaseState::kRunning:
      return "running";
    case PhaseState::kEnd:
      return "end";
  }
  return "";
}

Json event_start(std::string_view command, std::string_view event) {
  return {{"schema_version", kSchemaVersion}, {"event", event}, {"command", command}};
}

std::string line_of(const Json& json) { return dump(json) + '\n'; }

std::string text_event(std::string_view command, std::string_view event, std::string_view message) {
  auto json = event_start(command, event);
  json["message"] = message;
  return line_of(json);
}

}  // namespace

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::kPlan:
      return "plan";
    case Phase::kFetch:
      return "fetch";
    case Phase::kReadHead:
      return "read-head";
    case Phase::kWrite:
      return "write";
    case Phase::kVerify:
      return "verify";
    case Phase::kCheck:
      return "check";
    case Phase::kChecksum:
      return "checksum";
    case Phase::kWait:
      return "wait";
  }
  return "";
}

std::string progress_event(std::string_view command, const PhaseProgress& progress) {
  auto json = event_start(command, "progress");
  json["phase"] = phase_name(progress.phase);
  json["state"] = name_of(progress.state);
  // The query of a URL may be a signature.
  const auto path = is_remote(progress.path) ? url_without_query(progress.path) : progress.path;
  json["path"] = path.empty() ? Json(nullptr) : Json(path);
  // What a server has to send twice is received twice.
  json["bytes_done"] =
      progress.bytes_total > 0 ? std::min(progress.bytes_done, progress.bytes_total) : progress.bytes_done;
  json["bytes_total"] = progress.bytes_total > 0 ? Json(progress.bytes_total) : Json(nullptr);
  json["seconds"] = std::round(progress.seconds * 1000) / 1000;
  if (command == "release") {
    json["graft"] = progress.graft > 0 ? Json(progress.graft) : Json(nullptr);
    json["grafts"] = progress.grafts > 0 ? Json(progress.grafts) : Json(nullptr);
  }
  return line_of(json);
}

std::string bench_event(std::string_view command, const BenchStep& step, double seconds) {
  auto json = event_start(command, "bench");
  json["state"] = step.is_starting ? "starting" : "answering";
  json["model"] = step.model;
  json["depth"] = step.depth ? Json(*step.depth) : Json(nullptr);
  json["prompts_done"] = step.prompts_done;
  json["prompts_total"] = step.prompt_count;
  json["seconds"] = std::round(seconds * 1000) / 1000;
  return line_of(json);
}

std::string retry_event(std::string_view command, const Retry& retry) {
  auto json = event_start(command, "retry");
  json["path"] = url_without_query(retry.path);
  json["try"] = retry.next_try;
  json["of"] = retry.tries_max;
  json["reason"] = retry.reason;
  json["pause_seconds"] = static_cast<double>(retry.pause.count()) / 1000;
  return line_of(json);
}

std::string warning_event(std::string_view command, const Warning& warning) {
  auto json = event_start(command, "warning");
  json["id"] = warning.id;
  json["message"] = warning.message;
  return line_of(json);
}

std::string note_event(std::string_view command, std::string_view message) {
  return text_event(command, "note", message);
}

std::string problem_event(std::string_view command, std::string_view message) {
  return text_event(command, "problem", message);
}

std::string error_event(std::string_view command, const Error& error, Front front) {
  auto json = event_start(command, "error");
  json["error"] = error_json(error, front);
  return line_of(json);
}

}  // namespace mtpgraft::report
