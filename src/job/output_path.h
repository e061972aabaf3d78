// Where an output goes, and what it is called where the request does not say it.
#pragma once

#include <cstddef>
#include <string>

#include "mtpgraft/job.h"

namespace mtpgraft {

Error name_the_output(std::string message);

// Of a graft: the path of the output, or of its first file.
Result<std::string> choose_output(const GraftRequest& request, const GgufFile& target, std::size_t file_count);

// Of an extract that is planned.
Result<std::string> choose_head_output(const ExtractRequest& request, const Job& job);

}  // namespace mtpgraft
