// A llama-server that is asked: one that is started here, or one that runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/measure.h"
#include "io/child_process.h"
#include "mtpgraft/bench.h"
#include "net/http_call.h"

namespace mtpgraft {

class BenchServer {
 public:
  // One that runs, at a URL without a slash at its end. `api_key` may be empty.
  static Result<std::unique_ptr<BenchServer>> connect(std::string url, const std::string& api_key);

  // Starts `program` with the model and waits until it is ready. Where its port is taken by then, another one is tried,
  // three times in all. Fails with kIo, with the last lines of its output as details, if it ends or does not get ready.
  static Result<std::unique_ptr<BenchServer>> start(const std::string& program, const BenchRequest& request,
                                                    const std::string& model, std::uint32_t depth,
                                                    const Progress& progress);

  // Of /props; empty if it does not tell.
  Result<std::string> build(const Progress& progress);
  // Of /metrics; nothing in it where the server has none.
  Result<DraftCounters> counters(const Progress& progress);
  // The answer's body. `probabilities` is the number of best tokens to tell of, 0 for none.
  Result<std::string> ask(const BenchRequest& request, const BenchPrompt& prompt, std::uint32_t predict,
                          std::uint32_t probabilities, const Progress& progress);
  // The error is about this server, and has the last lines of its output.
  Error about(Error error);

 private:
  BenchServer(std::string name, std::string url, std::unique_ptr<HttpCaller> http,
              std::unique_ptr<ChildProcess> process)
      : name_(std::move(name)), url_(std::move(url)), http_(std::move(http)), process_(std::move(process)) {}

  enum class State : std::uint8_t { kReady, kPortTaken };

  Result<State> wait_until_ready(std::chrono::seconds timeout, const Progress& progress);
  // Fails, and says how, if the process has ended.
  Status check_running();
  Result<HttpAnswer> call(const std::string& path, const std::string& json, std::chrono::seconds timeout,
                          const Progress& progress);

  std::string name_;  // for messages: the program, or the URL
  std::string url_;
  std::unique_ptr<HttpCaller> http_;
  std::unique_ptr<ChildProcess> process_;  // null for one that runs
};

// The devices beside the CPU that the program lists; nothing if it lists none.
Result<std::optional<std::vector<std::string>>> list_devices(const std::string& program, const Progress& progress);

}  // namespace mtpgraft
