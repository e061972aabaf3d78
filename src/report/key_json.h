// Keys of files as JSON, as docs/json.md has them.
#pragma once

#include <optional>
#include <vector>

#include "mtpgraft/gguf.h"
#include "mtpgraft/key_edits.h"
#include "mtpgraft/plan.h"
#include "plan/value_json.h"

namespace mtpgraft::report {

// "key", and "type", "value", "is_complete" of its value.
Json key_json(const KeyValue& item);

// "edits", "head_type", "norm_offset", "recorded": what a graft's record tells of how it was made.
void add_claims(Json& json, const std::optional<RecordLabels>& labels, const std::vector<EditedKey>& edits);

}  // namespace mtpgraft::report
