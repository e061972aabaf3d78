// A program that is run beside this one, and that never outlives it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

class ChildProcess {
 public:
  ChildProcess() = default;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  // Stops it: asks it to end, and after five seconds kills it, with all that it has started.
  virtual ~ChildProcess() = default;

  // Nothing while it runs; then what it ended by, "exit code 1" or "signal 11", for people.
  virtual std::optional<std::string> ended() = 0;

  // The end of what it has printed, to stdout and stderr: at most `bytes_max`.
  virtual std::string last_output(std::size_t bytes_max) = 0;
};

// Runs the program `arguments[0]`, a path, with those environment variables and no more ("NAME=value"). Call it in the
// program's main thread: on Linux the child ends when the thread ends that started it. Fails with kIo.
Result<std::unique_ptr<ChildProcess>> start_process(const std::vector<std::string>& arguments,
                                                    const std::vector<std::string>& environment);

// All variables of this program, "NAME=value".
std::vector<std::string> all_environment();

// A port of the loopback interface that nothing listens at. Another program may take it before it is used.
Result<std::uint16_t> find_free_port();

}  // namespace mtpgraft
