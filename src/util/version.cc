#include "mtpgraft/version.h"

namespace mtpgraft {

std::string_view version() { return MTPGRAFT_VERSION; }

}  // namespace mtpgraft
