// Many differences have few reasons: other sources than the graft's, or tensors that were written in other types.
#pragma once

#include <string>
#include <vector>

#include "plan/record.h"
#include "verify/difference.h"

namespace mtpgraft {

// What is known of a graft and its sources besides what differs.
struct Evidence {
  const Plan& plan;
  const Record* record = nullptr;  // the file's; null: it has none that can be read
  bool is_other_target = false;    // than the record tells
  bool is_other_donor = false;
  std::string headless{};  // says that the file has no head at all; empty: it has one
  std::vector<RetypedTensor> retyped{};
  bool only_tensors = false;  // keys and places do not count
};

// The differences as findings; where they have a reason that is known, that instead.
std::vector<Finding> explain(std::vector<Difference> differences, const Evidence& evidence);

}  // namespace mtpgraft
