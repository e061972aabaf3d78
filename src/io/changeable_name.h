// Which names a file may be changed in place by. The rule of all systems.
#pragma once

#include <string>

#include "mtpgraft/result.h"

namespace mtpgraft {

// kRefused if `path` is a symbolic link: the file that would change stands elsewhere, and may belong to a cache. Links
// among the directories before it are where the user wants to work.
Status check_no_link(const std::string& path);

// The same, and if the file is called by a digest of its bytes, which would then be wrong.
Status check_own_name(const std::string& path);

}  // namespace mtpgraft
