// The events of --progress=json (docs/json.md): each is one line, newline included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mtpgraft/bench.h"
#include "mtpgraft/context.h"
#include "mtpgraft/head.h"
#include "mtpgraft/result.h"
#include "report/remedy.h"

namespace mtpgraft::report {

enum class PhaseState : std::uint8_t { kBegin, kRunning, kEnd };

struct PhaseProgress {
  Phase phase;
  PhaseState state;
  std::string path;           // the file that it is about; empty if that is not known
  std::uint64_t bytes_done;   // since it began
  std::uint64_t bytes_total;  // 0 if that is not known
  double seconds;             // since it began
  std::size_t graft = 0;      // of a release: which of `grafts`, from 1; 0 if it is about none
  std::size_t grafts = 0;
};

// "read-head"; the text lives as long as the program.
std::string_view phase_name(Phase phase);

std::string progress_event(std::string_view command, const PhaseProgress& progress);
std::string bench_event(std::string_view command, const BenchStep& step, double seconds);
std::string retry_event(std::string_view command, const Retry& retry);
std::string warning_event(std::string_view command, const Warning& warning);
std::string note_event(std::string_view command, std::string_view message);
std::string problem_event(std::string_view command, std::string_view message);
std::string error_event(std::string_view command, const Error& error, Front front);

}  // namespace mtpgraft::report
