// Whether target and donor have the same tokens. Their lists are too long to be kept with the keys.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/head.h"
#include "mtpgraft/result.h"
#include "mtpgraft/split.h"

namespace mtpgraft {

// Adds a warning for each list of the tokenizer in which entries differ, with the first of them, and a note for one
// that is longer in the target: a head drafts as well where tokens were added behind those it knows.
Status compare_vocabularies(const OpenedModel& target, const OpenedModel& donor, std::vector<Warning>& warnings,
                            std::vector<std::string>& notes);

}  // namespace mtpgraft
