// What more than one of the JSON objects consists of.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/plan.h"
#include "mtpgraft/result.h"
#include "mtpgraft/summary.h"
#include "report/remedy.h"

namespace mtpgraft::report {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json);
Json envelope(std::string_view command, bool ok);
Json error_json(const Error& error, Front front = Front::kCommandLine);
Json types_json(const std::vector<TypeShare>& shares);
Json changes_json(const std::vector<KeyChange>& changes);
Json warnings_json(const std::vector<Warning>& warnings);

}  // namespace mtpgraft::report
