// Parts of plans as JSON, in answers and in release.json.
#pragma once

#include <vector>

#include "mtpgraft/plan.h"
#include "mtpgraft/summary.h"
#include "plan/value_json.h"

namespace mtpgraft {

Json types_json(const std::vector<TypeShare>& shares);
Json changes_json(const std::vector<KeyChange>& changes);
Json warnings_json(const std::vector<Warning>& warnings);

}  // namespace mtpgraft
