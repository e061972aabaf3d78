#pragma once

#include <cstddef>
#include <functional>

#include "mtpgraft/result.h"

namespace mtpgraft {

// Calls `work(index, worker)` for every index in [0, count) on all cores, in no particular order; `worker` is below
// worker_count(). The first error stops the rest and is returned.
Status parallel_for(std::size_t count, const std::function<Status(std::size_t index, std::size_t worker)>& work);

std::size_t worker_count();

}  // namespace mtpgraft
