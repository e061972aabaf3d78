#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>

#include "mtpgraft/result.h"

namespace mtpgraft {

inline std::string describe(const Error& error) {
  auto text = error.path + ": " + error.message;
  for (const auto& detail : error.details) {
    text += "\n  " + detail;
  }
  return text;
}

// How GoogleTest shows a Result.
template <class T>
void PrintTo(const Result<T>& result, std::ostream* stream) {
  *stream << (result.ok() ? "a value" : describe(result.error()));
}

// A Result or Status without error.
MATCHER(IsOk, negation ? "fails" : "is ok") {
  static_cast<void>(result_listener);
  return arg.ok();
}

// An error of that code whose message, or one of its details, contains `part`.
MATCHER_P2(FailsWith, code, part, std::string(negation ? "does not fail" : "fails") + " with '" + part + "'") {
  if (arg.ok()) {
    return false;
  }
  const Error& error = arg.error();
  *result_listener << "whose code is " << static_cast<int>(error.code);
  const auto contains = [&](const std::string& text) { return text.find(part) != std::string::npos; };
  return error.code == code && (contains(error.message) || std::ranges::any_of(error.details, contains));
}

}  // namespace mtpgraft
