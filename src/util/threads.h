#pragma once

#include <chrono>
#include <concepts>
#include <exception>
#include <new>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "mtpgraft/result.h"

namespace mtpgraft {

// Joins when it is destroyed. std::jthread does too, but macOS has none in most of its releases.
class JoiningThread {
 public:
  template <class Function, class... Arguments>
  requires(!std::same_as<std::remove_cvref_t<Function>, JoiningThread>) explicit JoiningThread(Function&& function,
                                                                                               Arguments&&... arguments)
      : thread_(std::forward<Function>(function), std::forward<Arguments>(arguments)...) {}
  JoiningThread(JoiningThread&&) noexcept = default;
  JoiningThread& operator=(JoiningThread&&) = delete;
  JoiningThread(const JoiningThread&) = delete;
  JoiningThread& operator=(const JoiningThread&) = delete;
  ~JoiningThread() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

 private:
  std::thread thread_;
};

inline void sleep_for(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

// What leaves a thread as an exception would end the program; here it becomes an error.
template <class Work>
Status without_exceptions(Work work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kIo, .message = "out of memory", .is_retryable = true};
  } catch (const std::exception& error) {
    return Error{.code = ErrorCode::kIo, .message = std::string("internal error: ") + error.what()};
  }
}

}  // namespace mtpgraft
