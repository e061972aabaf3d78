#pragma once

#include "report/version.h"

namespace mtpgraft::cli {

// The texts live as long as the program.
report::BuildFacts build_facts();

}  // namespace mtpgraft::cli
