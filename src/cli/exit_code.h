#pragma once

#include <array>
#include <string_view>

#include "mtpgraft/result.h"

namespace mtpgraft::cli {

struct ExitCode {
  int code;
  std::string_view meaning;
};

inline constexpr int kExitDifference = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitFile = 3;
inline constexpr int kExitSystem = 4;
inline constexpr int kExitRefused = 5;

// As --help prints them.
inline constexpr auto kExitCodes = std::to_array<ExitCode>({
    {0, "done, and what was asked for is true"},
    {kExitDifference, "verification found a difference"},
    {kExitUsage, "the command line is wrong"},
    {kExitFile, "a file is malformed or unsupported, or target and donor (or projector) do not fit"},
    {kExitSystem, "the system failed: missing or unreadable file, no space, I/O error"},
    {kExitRefused, "refused: the output exists, is an input, or cannot be changed in place"},
    {130, "interrupted (143: terminated, 129: hung up); nothing was written, or it was put back"},
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
