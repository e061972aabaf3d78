#include "util/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <system_error>
#include <vector>

#include "util/processors.h"
#include "util/threads.h"

namespace mtpgraft {

std::size_t worker_count() { return std::clamp<std::size_t>(usable_processors(), 1, 16); }

Status parallel_for(std::size_t count, const std::function<Status(std::size_t index, std::size_t worker)>& work,
                    std::size_t workers) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::optional<Error> failure;
  const auto run = [&](std::size_t worker) {
    for (auto index = next++; index < count; index = next++) {
      auto status = without_exceptions([&] { return work(index, worker); });
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
    std::vector<JoiningThread> threads;
    try {
      for (std::size_t worker = 1; worker < std::min(workers, count); ++worker) {
        threads.emplace_back(run, worker);
      }
    } catch (const std::system_error&) {
      // No further thread to be had: those that there are do it.
    }
    run(0);
  }
  return failure ? Status(std::move(*failure)) : ok_status();
}

}  // namespace mtpgraft
