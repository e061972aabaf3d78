// What every file with system calls needs: errors in the words of the system, and calls that survive signals.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>

#include "mtpgraft/result.h"

namespace mtpgraft {

Error io_error(const std::string& path, std::string_view action, int number = errno);

// Whether the error says "not for these files, or not here", as opposed to "tried, and failed".
bool is_unsupported(int number);

// Retries what a signal interrupted.
template <class Call>
auto retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

std::string parent_of(const std::string& path);

}  // namespace mtpgraft
