// Which errors of the system may be gone by themselves.
#pragma once

namespace mtpgraft {

// Whether the same call may succeed later although the user has changed nothing: what was asked for is busy, short for
// the moment, or was lost on the way. `number` is an errno.
bool is_transient(int number);

}  // namespace mtpgraft
