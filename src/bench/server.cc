#include "bench/server.h"

#include <fmt/core.h>

#include <algorithm>
#include <random>
#include <utility>

#include "bench/command.h"
#include "io/stream.h"
#include "util/json.h"
#include "util/lines.h"
#include "util/threads.h"
#include "util/url.h"

namespace mtpgraft {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Answers are texts of some hundred tokens, with probabilities some hundred bytes for each.
constexpr std::uint64_t kAnswerBytesMax = std::uint64_t{32} << 20;

constexpr std::size_t kOutputBytes = 4096;
constexpr std::size_t kOutputLines = 20;
constexpr int kStartsMax = 3;
constexpr int kOk = 200;
constexpr int kUnauthorized = 401;
constexpr seconds kSmallTimeout(30);
constexpr milliseconds kReadyInterval(100);

Json request_body(const BenchRequest& request, const BenchPrompt& prompt, std::uint32_t predict,
                  std::uint32_t probabilities) {
  Json body{{"stream", false},
            {"cache_prompt", false},
            {"seed", request.sampling.seed},
            {"temperature", request.sampling.temperature.value_or(0)}};
  if (request.sampling.top_k) {
    body["top_k"] = *request.sampling.top_k;
  }
  if (request.sampling.top_p) {
    body["top_p"] = *request.sampling.top_p;
  }
  if (probabilities > 0) {
    body["n_probs"] = probabilities;
  }
  if (request.chat) {
    body["messages"] = Json::array({Json{{"role", "user"}, {"content", prompt.text}}});
    body["max_tokens"] = predict;
  } else {
    body["prompt"] = prompt.text;
    body["return_tokens"] = true;
    body["n_predict"] = predict;
  }
  return body;
}

// What the server says is wrong, for a message.
std::string refusal(const HttpAnswer& answer) {
  const auto json = parse_json<Json>(answer.body);
  if (json.ok() && json.value().is_object()) {
    const auto error = json.value().find("error");
    if (error != json.value().end() && error->is_object() && error->contains("message") &&
        error->at("message").is_string()) {
      return fmt::format("HTTP status {}: {}", answer.status, error->at("message").get<std::string>());
    }
  }
  return fmt::format("HTTP status {}", answer.status);
}

std::string make_key() {
  // Tells servers apart, and keeps no secret. std::random_device calls what no C library has before glibc 2.36.
  static std::mt19937_64 random(static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()));
  return fmt::format("{:016x}{:016x}", random(), random());
}

// As llama-server and ik_llama.cpp, and the systems, say it.
bool says_that_port_is_taken(std::string_view line) {
  return line.find("couldn't bind") != std::string_view::npos ||
         line.find("ddress already in use") != std::string_view::npos;
}

}  // namespace

Result<std::unique_ptr<BenchServer>> BenchServer::connect(std::string url, const std::string& api_key) {
  MTPGRAFT_TRY(auto http, make_http_caller(api_key));
  auto name = without_secret(url);
  return std::unique_ptr<BenchServer>(new BenchServer(std::move(name), std::move(url), std::move(http), nullptr));
}

Result<std::unique_ptr<BenchServer>> BenchServer::start(const std::string& program, const BenchRequest& request,
                                                        const std::string& model, std::uint32_t depth,
                                                        const Progress& progress) {
  for (int start = 1;; ++start) {
    MTPGRAFT_TRY(const auto port, find_free_port());
    const ServerPlace place{port, make_key()};
    MTPGRAFT_TRY(auto http, make_http_caller(place.key));
    auto command = server_command(request, model, depth, place);
    command.insert(command.begin(), program);
    MTPGRAFT_TRY(auto process, start_process(command, server_environment(all_environment())));
    std::unique_ptr<BenchServer> server(
        new BenchServer(program, fmt::format("http://127.0.0.1:{}", port), std::move(http), std::move(process)));
    MTPGRAFT_TRY(const auto state, server->wait_until_ready(request.start_timeout, progress));
    if (state == State::kReady) {
      return server;
    }
    if (start == kStartsMax) {
      return server->about(
          {.code = ErrorCode::kIo,
           .message = fmt::format(
               "its port was taken by another program, {} times; or it does not ask for the key that it got",
               kStartsMax),
           .is_retryable = true});
    }
  }
}

Result<BenchServer::State> BenchServer::wait_until_ready(seconds timeout, const Progress& progress) {
  MTPGRAFT_TRY(const auto stranger, make_http_caller(""));
  const auto end = Clock::now() + timeout;
  while (true) {
    MTPGRAFT_CHECK(report_progress(progress, 0));
    if (auto running = check_running(); !running.ok()) {
      running.error().hint = "see its last lines: is it a llama-server, and does it know these options?";
      const bool is_taken = std::ranges::any_of(running.error().details, says_that_port_is_taken);
      return is_taken ? Result<State>(State::kPortTaken) : std::move(running.error());
    }
    const auto health = stranger->call(url_ + "/health", "", kSmallTimeout, kAnswerBytesMax, progress);
    if (health.ok() && health.value().status == kOk) {
      // This one answers nobody without its key; another program may have had the port first.
      const auto refused = stranger->call(url_ + "/completion", "{}", kSmallTimeout, kAnswerBytesMax, progress);
      if (!refused.ok()) {
        return about(refused.error());
      }
      return refused.value().status == kUnauthorized ? State::kReady : State::kPortTaken;
    }
    if (!health.ok() && health.error().code == ErrorCode::kInterrupted) {
      return health.error();
    }
    if (Clock::now() > end) {
      return about({.code = ErrorCode::kIo,
                    .message = fmt::format("was not ready within {} seconds", timeout.count()),
                    .hint = "give it more time, or see whether it is a llama-server",
                    .is_retryable = true});
    }
    sleep_for(kReadyInterval);
  }
}

Error BenchServer::about(Error error) {
  error.path = name_;
  if (process_) {
    const auto output = process_->last_output(kOutputBytes);
    const auto lines = lines_of(output);
    for (auto line = lines.end() - static_cast<std::ptrdiff_t>(std::min(kOutputLines, lines.size()));
         line != lines.end(); ++line) {
      error.details.emplace_back(*line);
    }
  }
  return error;
}

Status BenchServer::check_running() {
  const auto end = process_ ? process_->ended() : std::nullopt;
  return end ? Status(about({.code = ErrorCode::kIo, .message = "the server ended with " + *end})) : ok_status();
}

Result<HttpAnswer> BenchServer::call(const std::string& path, const std::string& json, seconds timeout,
                                     const Progress& progress) {
  auto answer = http_->call(url_ + path, json, timeout, kAnswerBytesMax, progress);
  if (answer.ok() || answer.error().code == ErrorCode::kInterrupted) {
    return answer;
  }
  sleep_for(kReadyInterval);  // a connection breaks before its process has ended
  MTPGRAFT_CHECK(check_running());
  return about(std::move(answer.error()));
}

Result<std::string> BenchServer::build(const Progress& progress) {
  MTPGRAFT_TRY(const auto answer, call("/props", "", kSmallTimeout, progress));
  const auto json = parse_json<Json>(answer.body);
  const bool tells = answer.status == kOk && json.ok() && json.value().is_object() &&
                     json.value().contains("build_info") && json.value().at("build_info").is_string();
  return tells ? json.value().at("build_info").get<std::string>() : std::string();
}

Result<DraftCounters> BenchServer::counters(const Progress& progress) {
  MTPGRAFT_TRY(const auto answer, call("/metrics", "", kSmallTimeout, progress));
  return answer.status == kOk ? parse_metrics(answer.body) : DraftCounters();
}

Result<std::string> BenchServer::ask(const BenchRequest& request, const BenchPrompt& prompt, std::uint32_t predict,
                                     std::uint32_t probabilities, const Progress& progress) {
  const auto* const path = request.chat ? "/v1/chat/completions" : "/completion";
  const auto body = request_body(request, prompt, predict, probabilities).dump();
  MTPGRAFT_TRY(auto answer, call(path, body, request.answer_timeout, progress));
  if (answer.status != kOk) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("does not answer the prompt '{}': {}", prompt.kind, refusal(answer)),
                 .path = name_,
                 .hint = answer.status == kUnauthorized ? "its key is to be in the variable LLAMA_API_KEY" : ""};
  }
  return std::move(answer.body);
}

Result<std::optional<std::vector<std::string>>> list_devices(const std::string& program, const Progress& progress) {
  MTPGRAFT_TRY(const auto process, start_process({program, "--list-devices"}, all_environment()));
  const auto end = Clock::now() + kSmallTimeout;
  while (!process->ended() && Clock::now() < end) {
    MTPGRAFT_CHECK(report_progress(progress, 0));
    sleep_for(kReadyInterval);
  }
  return process->ended() ? parse_devices(process->last_output(kOutputBytes)) : std::nullopt;
}

}  // namespace mtpgraft
