#include "util/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace mtpgraft {

std::size_t worker_count() {
  // Not hardware_concurrency(), which does not know what taskset and containers leave to the program.
  cpu_set_t allowed;
  const auto cores = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
  return std::clamp<std::size_t>(static_cast<std::size_t>(cores), 1, 16);
}

Status parallel_for(std::size_t count, const std::function<Status(std::size_t index, std::size_t worker)>& work) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::optional<Error> failure;
  const auto run = [&](std::size_t worker) {
    for (auto index = next++; index < count; index = next++) {
      auto status = work(index, worker);
      if (!status.ok()) {
        const std::lock_guard lock(mutex);
        if (!failure) {
          failure = std::move(status.error());
        }
        next = count;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t worker = 1; worker < std::min(worker_count(), count); ++worker) {
      threads.emplace_back(run, worker);
    }
    run(0);
  }
  return failure ? Status(std::move(*failure)) : ok_status();
}

}  // namespace mtpgraft
