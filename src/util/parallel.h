#pragma once

#include <cstddef>
#include <functional>

#include "mtpgraft/result.h"

namespace mtpgraft {

// The processors that may be used, at most 16.
std::size_t worker_count();

// Calls `work(index, worker)` for every index in [0, count) in several threads, in no particular order; `worker` is
// below `workers`. The first error stops the rest and is returned.
Status parallel_for(std::size_t count, const std::function<Status(std::size_t index, std::size_t worker)>& work,
                    std::size_t workers = worker_count());

}  // namespace mtpgraft
