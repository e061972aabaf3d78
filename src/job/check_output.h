#pragma once

#include "mtpgraft/job.h"

namespace mtpgraft {

// Whether two outputs would have one name, however they are spelled. Neither need exist; a link is not followed, as it
// is not when an output replaces it.
bool is_same_output(const std::string& a, const std::string& b);

// The target's file that a file of the output is, if it stays as it is.
const ReadableFile* kept_file(const FilePlan& plan, const Sources& sources);

// What a change in place does with the target's bytes.
InPlaceChange in_place_change(const FilePlan& plan);

}  // namespace mtpgraft
