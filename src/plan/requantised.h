// Whether the tensors of a graft were written in other types after it was made.
#pragma once

#include "mtpgraft/head.h"
#include "plan/record.h"

namespace mtpgraft {

// Whether its tensors take another number of bytes than the record tells, head or trunk. A target with bytes after its
// last tensor looks like that, too: ask only where the header is not what the graft had.
bool has_other_sizes(const Record& record, const GgufFile& file, const Head& head);

}  // namespace mtpgraft
