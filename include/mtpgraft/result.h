// Errors as values: every function of the library that can fail returns Result or Status and neither logs nor prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace mtpgraft {

// What kind of failure it is. Programs branch on this, people read the message.
enum class ErrorCode {
  kUsage,         // the request itself makes no sense
  kMalformed,     // a file is damaged, truncated or not GGUF
  kUnsupported,   // a sound file of a kind that is not handled
  kIncompatible,  // target and donor do not fit, or the target must not be grafted
  kIo,            // the system failed: missing, unreadable, no space, changed while being read
  kRefused,       // the output exists or is an input
  kInterrupted,   // the caller's Progress asked to stop
};

struct Error {
  ErrorCode code = ErrorCode::kIo;
  std::string message;                    // lower case, no full stop; the path is not repeated in it
  std::string path{};                     // the file it is about, empty if none
  std::optional<std::uint64_t> offset{};  // bytes from the start of that file
  std::string hint{};                     // how to mend it, may be empty
  std::vector<std::string> details{};     // reasons, where there can be several

  bool operator==(const Error&) const = default;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  // Asking for what is not there is a bug of the caller and throws std::bad_variant_access.
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] Error& error() { return std::get<1>(state_); }
  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<std::monostate>;

inline Status ok_status() { return std::monostate{}; }

}  // namespace mtpgraft

#define MTPGRAFT_CONCAT_(a, b) a##b
#define MTPGRAFT_CONCAT(a, b) MTPGRAFT_CONCAT_(a, b)

// Evaluates `expression` (a Result or Status) and returns its error from the calling function if it failed.
#define MTPGRAFT_CHECK(expression)                \
  do {                                            \
    auto mtpgraft_status_ = (expression);         \
    if (!mtpgraft_status_.ok()) {                 \
      return std::move(mtpgraft_status_.error()); \
    }                                             \
  } while (false)

// Declares or assigns `left` from the value of `expression`; returns the error if it failed.
#define MTPGRAFT_TRY(left, expression)                                     \
  auto MTPGRAFT_CONCAT(mtpgraft_result_, __LINE__) = (expression);         \
  if (!MTPGRAFT_CONCAT(mtpgraft_result_, __LINE__).ok()) {                 \
    return std::move(MTPGRAFT_CONCAT(mtpgraft_result_, __LINE__).error()); \
  }                                                                        \
  left = std::move(MTPGRAFT_CONCAT(mtpgraft_result_, __LINE__)).value()
