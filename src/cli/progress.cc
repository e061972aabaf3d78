#include "cli/progress.h"

#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <string_view>

#include "cli/terminal.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

using Clock = std::chrono::steady_clock;

bool line_is_shown = false;

void show(const std::string& label, std::uint64_t done, std::uint64_t total, double seconds) {
  const auto rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const auto speed = format_bytes(static_cast<std::uint64_t>(rate));
  if (done >= total) {
    fmt::print(stderr, "\r\x1b[K{}  {}  {}/s", label, format_bytes(done), speed);
  } else if (done == 0) {
    fmt::print(stderr, "\r\x1b[K{}  waiting for {}", label, format_bytes(total));
  } else {
    const auto left = static_cast<std::uint64_t>(static_cast<double>(total - done) / rate);
    fmt::print(stderr, "\r\x1b[K{} {:3}%  {} of {}  {}/s  {}:{:02} left", label, done * 100 / total, format_bytes(done),
               format_bytes(total), speed, left / 60, left % 60);
  }
  line_is_shown = true;
}

// With a total of 0 the line shows no share.
Progress make_progress(std::string label, std::uint64_t total_bytes, bool visible) {
  return [label = std::move(label), total_bytes, visible, start = Clock::time_point(), done = std::uint64_t{0},
          shown_at = Clock::time_point()](std::uint64_t bytes) mutable {
    done += bytes;
    const auto now = Clock::now();
    // Work begins with the first call: what came before, as fetching the head, has a line of its own.
    if (start == Clock::time_point()) {
      start = shown_at = now;
    }
    // At most ten times a second, and not at all for what is over at once.
    if (visible && now - shown_at >= std::chrono::milliseconds(100)) {
      show(label, done, total_bytes, std::chrono::duration<double>(now - start).count());
      shown_at = now;
    }
    return !signal_is_noted();
  };
}

std::string_view name_of(Phase phase, const PhaseNames& names) {
  if (const auto found = names.find(phase); found != names.end()) {
    return found->second;
  }
  switch (phase) {
    case Phase::kPlan:
    case Phase::kWait:
      return "";
    case Phase::kFetch:
      return "fetch";
    case Phase::kReadHead:
      return "read head";
    case Phase::kWrite:
      return "write";
    case Phase::kVerify:
      return "verify";
    case Phase::kCheck:
      return "check";
    case Phase::kChecksum:
      return "checksum";
  }
  return "";
}

}  // namespace

Context make_context(FileSystem& files, const OutputOptions& options, const PhaseNames& names) {
  const bool visible = stderr_erases_lines() && !options.quiet && !options.json;
  return {files, [visible, names](Phase phase, std::uint64_t total_bytes) {
            const auto name = name_of(phase, names);
            return make_progress(std::string(name), total_bytes, visible && !name.empty());
          }};
}

void erase_progress() {
  if (line_is_shown) {
    fmt::print(stderr, "\r\x1b[K");
    line_is_shown = false;
  }
}

}  // namespace mtpgraft::cli
