#include "report/json_parts.h"

#include "util/url.h"

namespace mtpgraft::report {
namespace {

std::string_view code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return "usage";
    case ErrorCode::kMalformed:
      return "malformed";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kIncompatible:
      return "incompatible";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kRefused:
      return "refused";
    case ErrorCode::kInterrupted:
      return "interrupted";
  }
  return "";
}

Json source_files_json(const std::vector<SourceFile>& files) {
  auto json = Json::array();
  for (const auto& file : files) {
    json.push_back({{"path", file.path}, {"bytes", file.bytes}, {"sha256", text_or_null(file.sha256)}});
  }
  return json;
}

}  // namespace

std::string dump(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

Json text_or_null(std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); }

Json digests_json(const SourceDigests& digests) {
  return {{"target", source_files_json(digests.target)}, {"donor", source_files_json(digests.donor)}};
}

Json envelope(std::string_view command, bool ok) {
  return {{"schema_version", kSchemaVersion}, {"command", command}, {"ok", ok}};
}

Json error_json(const Error& error, Front front) {
  const auto hint = advice(error, front);
  Json json{{"code", code_name(error.code)},
            {"message", worded_message(error, front)},
            {"path", text_or_null(without_secret(error.path))},
            {"offset", error.offset ? Json(*error.offset) : Json(nullptr)},
            {"hint", text_or_null(hint)},
            {"details", error.details},
            {"field", text_or_null(field_id(error.field))},
            {"remedy", text_or_null(remedy_id(error.remedy))},
            {"retryable", error.is_retryable},
            {"http_status", error.http_status != 0 ? Json(error.http_status) : Json(nullptr)},
            {"file_kind", error.file_kind ? Json(file_kind_name(*error.file_kind)) : Json(nullptr)}};
  for (const auto& [path, head_bytes] : error.donors) {
    json["donors"].push_back({{"path", path}, {"head_bytes", head_bytes > 0 ? Json(head_bytes) : Json(nullptr)}});
  }
  return json;
}

}  // namespace mtpgraft::report
