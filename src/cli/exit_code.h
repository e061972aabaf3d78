#pragma once

#include <array>
#include <string_view>

#include "mtpgraft/result.h"

namespace mtpgraft::cli {

struct ExitCode {
  std::string_view codes;
  std::string_view meaning;
};

inline constexpr int kExitDifference = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitFile = 3;
inline constexpr int kExitSystem = 4;
inline constexpr int kExitRefused = 5;

// As --help, README.md and the man page list them.
inline constexpr auto kExitCodes = std::to_array<ExitCode>({
    {"0", "done, and what was asked for is true"},
    {"1", "verification found a difference, or a measurement missed what is asked for"},
    {"2", "the command line is wrong"},
    {"3", "a file is malformed or unsupported, or target and donor (or projector) do not fit"},
    {"4", "the system or a server failed: missing or unreadable file, no space, I/O error"},
    {"5", "refused: the output exists, is an input, or cannot be changed in place"},
    {"129, 130, 143",
     "ended by SIGHUP, SIGINT (Ctrl-C) or SIGTERM, as a shell tells it; nothing incomplete is left, or it was put "
     "back"},
});

constexpr int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return kExitUsage;
    case ErrorCode::kMalformed:
    case ErrorCode::kUnsupported:
    case ErrorCode::kIncompatible:
      return kExitFile;
    case ErrorCode::kIo:
      return kExitSystem;
    case ErrorCode::kRefused:
      return kExitRefused;
    case ErrorCode::kInterrupted:
      return 130;
  }
  return kExitSystem;
}

}  // namespace mtpgraft::cli
