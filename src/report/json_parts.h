// What more than one of the JSON objects consists of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mtpgraft/job.h"
#include "mtpgraft/result.h"
#include "plan/plan_json.h"
#include "report/remedy.h"

namespace mtpgraft::report {

inline constexpr int kSchemaVersion = 1;

std::string dump(const Json& json);
// Null for nothing.
template <class Number>
Json optional_json(const std::optional<Number>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// Null for an empty text.
Json text_or_null(std::string_view text);

// Of target and donor: every file.
Json digests_json(const SourceDigests& digests);

Json envelope(std::string_view command, bool ok);
Json error_json(const Error& error, Front front = Front::kCommandLine);

}  // namespace mtpgraft::report
