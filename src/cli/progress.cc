#include "cli/progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "util/text.h"

namespace mtpgraft::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Read by every thread that works.
std::atomic<int> noted_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free, "or a signal handler could not set it");
bool line_is_shown = false;

extern "C" void note_signal(int number) { noted_signal = number; }

bool is_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && term != nullptr && std::string_view(term) != "dumb";
}

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
    return noted_signal == 0;
  };
}

std::string_view name_of(Phase phase, const PhaseNames& names) {
  if (const auto found = names.find(phase); found != names.end()) {
    return found->second;
  }
  switch (phase) {
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
  const bool visible = is_terminal() && !options.quiet && !options.json;
  return {files, [visible, names](Phase phase, std::uint64_t total_bytes) {
            const auto name = name_of(phase, names);
            return make_progress(std::string(name), total_bytes, visible && !name.empty());
          }};
}

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) != 0; }

void erase_progress() {
  if (line_is_shown) {
    fmt::print(stderr, "\r\x1b[K");
    line_is_shown = false;
  }
}

void note_signals() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) {  // as under nohup
    sigaction(SIGHUP, &action, nullptr);
  }
  // A file size limit (ulimit -f) is then an error like a full disk, and not the end of the program.
  std::signal(SIGXFSZ, SIG_IGN);
}

void raise_noted_signal() {
  const int number = noted_signal;
  if (number != 0) {
    std::fflush(nullptr);
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
}

}  // namespace mtpgraft::cli
