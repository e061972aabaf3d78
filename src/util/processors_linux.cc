#include "util/processors.h"

#include <sched.h>

namespace mtpgraft {

std::size_t usable_processors() {
  // Not hardware_concurrency(), which does not know what taskset and containers leave to the program.
  cpu_set_t allowed;
  return ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? static_cast<std::size_t>(CPU_COUNT(&allowed)) : 0;
}

}  // namespace mtpgraft
