#include "cli/terminal.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include "util/environment.h"

namespace mtpgraft::cli {
namespace {

// Read by every thread that works.
std::atomic<int> noted_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free, "or a signal handler could not set it");

// What the caller has set for SIGPIPE.
bool ignores_broken_pipes = true;

extern "C" void note_signal(int number) { noted_signal = number; }

}  // namespace

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) != 0; }

bool stderr_erases_lines() {
  const auto term = environment("TERM");
  return ::isatty(STDERR_FILENO) != 0 && !term.empty() && term != "dumb";
}

void hold_closed_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
      // The lowest free number is this one. Opened for the wrong thing, so that reading or writing is the error it was.
      (void)!::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
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
  // What reads our messages may go, and the work must not end half way.
  struct sigaction pipe {};
  sigaction(SIGPIPE, nullptr, &pipe);
  ignores_broken_pipes = pipe.sa_handler == SIG_IGN;
  std::signal(SIGPIPE, SIG_IGN);
}

void raise_broken_pipe() {
  if (!ignores_broken_pipes) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
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
