#include "cli/terminal.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>

#include "util/environment.h"

namespace mtpgraft::cli {
namespace {

// Read by every thread that works.
std::atomic<int> noted_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free, "or a signal handler could not set it");

extern "C" void note_signal(int number) { noted_signal = number; }

}  // namespace

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) != 0; }

bool stderr_erases_lines() {
  const auto term = environment("TERM");
  return ::isatty(STDERR_FILENO) != 0 && !term.empty() && term != "dumb";
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

bool signal_is_noted() { return noted_signal != 0; }

void raise_noted_signal() {
  const int number = noted_signal;
  if (number != 0) {
    std::fflush(nullptr);
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
}

}  // namespace mtpgraft::cli
