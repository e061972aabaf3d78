#pragma once

#include <concepts>
#include <thread>
#include <type_traits>
#include <utility>

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

}  // namespace mtpgraft
