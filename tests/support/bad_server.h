#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace mtpgraft {

// bad_server.py, until the end of its scope.
class BadServer {
 public:
  BadServer(const std::string& directory, std::string log) : log_(std::move(log)) {
    std::array<int, 2> input{};
    std::array<int, 2> output{};
    if (::pipe(input.data()) != 0 || ::pipe(output.data()) != 0 || (process_ = ::fork()) < 0) {
      throw std::runtime_error("cannot start a process");
    }
    if (process_ == 0) {
      ::dup2(input[0], STDIN_FILENO);
      ::dup2(output[1], STDOUT_FILENO);
      for (const int descriptor : {input[0], input[1], output[0], output[1]}) {
        ::close(descriptor);
      }
      ::execlp(PYTHON, PYTHON, "-BIS", BAD_SERVER, directory.c_str(), log_.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(input[0]);
    ::close(output[1]);
    input_ = input[1];
    std::FILE* const ports = ::fdopen(output[0], "r");
    const bool has_started = std::fscanf(ports, "%d %d", &port_, &other_port_) == 2;
    std::fclose(ports);
    if (!has_started) {
      throw std::runtime_error("the server does not start");
    }
  }
  BadServer(const BadServer&) = delete;
  BadServer& operator=(const BadServer&) = delete;
  ~BadServer() {
    ::close(input_);
    ::waitpid(process_, nullptr, 0);
  }

  [[nodiscard]] std::string origin() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string other_origin() const { return "http://127.0.0.1:" + std::to_string(other_port_); }

  // A line for each request: method, path, range, token.
  [[nodiscard]] std::vector<std::string> requests() const {
    std::vector<std::string> lines;
    std::ifstream log(log_);
    for (std::string line; std::getline(log, line);) {
      lines.push_back(line);
    }
    return lines;
  }

 private:
  std::string log_;
  ::pid_t process_ = -1;
  int input_ = -1;
  int port_ = 0;
  int other_port_ = 0;
};

}  // namespace mtpgraft
