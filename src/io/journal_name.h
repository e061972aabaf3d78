// Where the journal of a change in place stands. Every system looks for it, also those that cannot change files so: a
// file may come from another system.
#pragma once

#include <string>

#include "mtpgraft/result.h"

namespace mtpgraft {

// The name of the journal of `path`, which stands beside the file that a symbolic link means.
std::string journal_path(const std::string& path);

// Of the name of a journal, that of its file; empty if it is another name.
std::string file_of_journal(const std::string& path);

// Whether `path` was, or is just being, changed in place. An error if the system does not tell.
Result<bool> has_journal(const std::string& path);

}  // namespace mtpgraft
