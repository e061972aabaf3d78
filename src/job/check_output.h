#pragma once

#include <string>
#include <vector>

#include "mtpgraft/job.h"

namespace mtpgraft {

// kUsage for a job that nothing can be done with: made by no prepare_*(), moved from, or written already.
Status check_open(const Job& job);

// Whether `path` can be the first of so many files.
bool is_first_name(const std::string& path, std::size_t file_count);

// Whether two outputs would have one name, however they are spelled. Neither need exist; a link is not followed, as it
// is not when an output replaces it.
bool is_same_output(const std::string& a, const std::string& b);

// The target's file that a file of the output is, if it stays as it is.
const ReadableFile* kept_file(const FilePlan& plan, const Sources& sources);

// What an output must not take the place of.
std::vector<const ReadableFile*> inputs_of(const Sources& sources);

// What a change in place does with the target's bytes.
InPlaceChange in_place_change(const FilePlan& plan);

}  // namespace mtpgraft
