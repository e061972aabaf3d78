// What the checks of a model have in common.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/verify.h"

namespace mtpgraft {

// From offsets in the one file that a split model is read as to those in its files.
void find_shards(const GgufFile& gguf, std::vector<Finding>& findings);

// Shard by shard.
void sort_findings(VerifyReport& report);

// "grafted by mtpgraft 0.1.0 from 'donor.gguf' into 'target.gguf'", as the record tells it.
std::string describe_labels(const RecordLabels& labels);

}  // namespace mtpgraft
