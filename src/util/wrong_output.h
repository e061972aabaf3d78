// Names that nobody means for a file that is to be written: they come from another system, or from a slip of the hand.
#pragma once

#include <optional>
#include <string>

#include "mtpgraft/result.h"

namespace mtpgraft {

// The error of such a name, as somebody has given it; nothing if it can be meant. A name with "./" just before it can,
// whatever it is, but for a URL.
std::optional<Error> find_wrong_output(const std::string& path);

}  // namespace mtpgraft
