#include "io/child_process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "io/file_descriptor.h"
#include "io/io_posix.h"
#include "io/system.h"
#include "util/environment.h"
#include "util/path.h"
#include "util/threads.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): some systems have it in no header

namespace mtpgraft {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPollInterval(20);
constexpr milliseconds kGrace(5000);

struct Pipe {
  FileDescriptor out;  // is read
  FileDescriptor in;   // is written
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) {
    return io_error("", "make a pipe");
  }
  Pipe pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
  for (const auto end : ends) {
    ::fcntl(end, F_SETFD, FD_CLOEXEC);
  }
  return pipe;
}

// A file without a name, which takes what the child prints.
Result<FileDescriptor> make_log() {
  const auto directory = temporary_directory();
  auto log = open_temporary(directory);
  if (!log.valid()) {
    return output_error(directory + "/mtpgraft-XXXXXX", "make a file for the program's output");
  }
  return log;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const auto& text : texts) {
    pointers.push_back(const_cast<char*>(text.c_str()));  // NOLINT(cppcoreguidelines-pro-type-const-cast): for execve
  }
  pointers.push_back(nullptr);
  return pointers;
}

// What follows runs after fork(), where only what is safe in a signal handler may be called.

// Waits until the parent has somebody who watches it; then becomes the program, or tells by the pipe why it cannot.
[[noreturn]] void become(const std::vector<char*>& arguments, const std::vector<char*>& variables, int log,
                         const Pipe& start, const Pipe& failure, pid_t parent) {
  ::setpgid(0, 0);
  system::end_with_parent(parent);
  ::close(start.in.get());  // or its end would never come
  char go = 0;
  if (retry([&] { return ::read(start.out.get(), &go, 1); }) != 1) {
    ::_exit(1);
  }
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  for (const auto number : {SIGPIPE, SIGXFSZ, SIGHUP}) {
    std::signal(number, SIG_DFL);
  }
  ::execve(arguments[0], arguments.data(), variables.data());
  const int number = errno;
  ::_exit(::write(failure.in.get(), &number, sizeof(number)) < 0 ? 126 : 127);
}

// Ends when a byte comes by the pipe; kills the group when the parent has ended without.
// `others` are files of the parent's and the child's, whose ends would never come while they are open here.
[[noreturn]] void watch(const Pipe& alive, pid_t group, std::initializer_list<const FileDescriptor*> others) {
  ::setsid();
  ::close(alive.in.get());
  for (const auto* other : others) {
    ::close(other->get());
  }
  const int nothing = ::open("/dev/null", O_RDWR);
  for (const auto stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(nothing, stream);
  }
  char done = 0;
  if (retry([&] { return ::read(alive.out.get(), &done, 1); }) != 1) {
    ::kill(-group, SIGKILL);
  }
  ::_exit(0);
}

class PosixProcess : public ChildProcess {
 public:
  PosixProcess(pid_t child, pid_t watcher, FileDescriptor alive, FileDescriptor log)
      : child_(child), watcher_(watcher), alive_(std::move(alive)), log_(std::move(log)) {}
  ~PosixProcess() override {
    stop();
    alive_ = FileDescriptor();  // if the group is still there, the watcher kills it
    static_cast<void>(retry([&] { return ::waitpid(watcher_, nullptr, 0); }));
  }

  std::optional<std::string> ended() override {
    if (end_) {
      return end_;
    }
    siginfo_t info{};
    const auto result =
        retry([&] { return ::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOHANG | WNOWAIT); });
    if (result != 0) {
      end_ = "an exit code that the system has not kept";  // SIGCHLD is ignored
    } else if (info.si_pid == child_) {
      // As long as it is not waited for, the number of its group is nobody else's.
      ::kill(-child_, SIGKILL);  // what it has left behind
      int status = 0;
      static_cast<void>(retry([&] { return ::waitpid(child_, &status, 0); }));
      end_ = WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                                 : fmt::format("exit code {}", WEXITSTATUS(status));
    }
    if (end_) {
      static_cast<void>(retry([&] { return ::write(alive_.get(), "", 1); }));  // there is nothing to watch any more
    }
    return end_;
  }

  std::string last_output(std::size_t bytes_max) override {
    const auto size = ::lseek(log_.get(), 0, SEEK_END);
    std::string text(std::min<std::size_t>(bytes_max, size > 0 ? static_cast<std::size_t>(size) : 0), '\0');
    const auto offset = size - static_cast<off_t>(text.size());
    const auto count = retry([&] { return ::pread(log_.get(), text.data(), text.size(), offset); });
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return text;
  }

 private:
  void stop() {
    if (ended()) {
      return;
    }
    ::kill(-child_, SIGTERM);
    const auto end = Clock::now() + kGrace;
    // A process that waits for a broken device does not even end by SIGKILL.
    while (!ended() && Clock::now() < end + kGrace) {
      if (Clock::now() > end) {
        ::kill(-child_, SIGKILL);
      }
      sleep_for(kPollInterval);
    }
  }

  pid_t child_;  // also the number of its group
  pid_t watcher_;
  FileDescriptor alive_;
  FileDescriptor log_;
  std::optional<std::string> end_;
};

}  // namespace

Result<std::unique_ptr<ChildProcess>> start_process(const std::vector<std::string>& arguments,
                                                    const std::vector<std::string>& environment) {
  MTPGRAFT_TRY(auto log, make_log());
  MTPGRAFT_TRY(auto start, make_pipe());
  MTPGRAFT_TRY(auto failure, make_pipe());
  MTPGRAFT_TRY(auto alive, make_pipe());
  const auto argument_pointers = pointers_to(arguments);
  const auto variable_pointers = pointers_to(environment);
  const auto parent = ::getpid();
  const auto child = ::fork();
  if (child == 0) {
    become(argument_pointers, variable_pointers, log.get(), start, failure, parent);
  }
  if (child < 0) {
    return io_error(arguments[0], "start it");
  }
  ::setpgid(child, child);
  const auto watcher = ::fork();
  if (watcher == 0) {
    watch(alive, child, {&start.in, &start.out, &failure.in, &failure.out, &log});
  }
  if (watcher < 0) {
    const auto error = io_error(arguments[0], "watch it");
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return error;
  }
  auto process = std::make_unique<PosixProcess>(child, watcher, std::move(alive.in), std::move(log));
  static_cast<void>(retry([&] { return ::write(start.in.get(), "", 1); }));
  failure.in = FileDescriptor();
  int number = 0;
  if (retry([&] { return ::read(failure.out.get(), &number, sizeof(number)); }) == sizeof(number)) {
    return io_error(arguments[0], "start it", number);
  }
  return std::unique_ptr<ChildProcess>(std::move(process));
}

std::vector<std::string> all_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
  }
  return variables;
}

Result<std::uint16_t> find_free_port() {
  const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
  struct sockaddr_in address {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const pointer = reinterpret_cast<struct sockaddr*>(&address);
  if (!socket.valid() || ::bind(socket.get(), pointer, sizeof(address)) != 0 ||
      ::getsockname(socket.get(), pointer, &length) != 0) {
    return io_error("", "find a free port");
  }
  return ntohs(address.sin_port);
}

}  // namespace mtpgraft
