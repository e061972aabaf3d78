#include "mtpgraft/bench.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "bench/command.h"
#include "bench/measure.h"
#include "bench/server.h"
#include "io/child_process.h"
#include "mtpgraft/split.h"
#include "mtpgraft/summary.h"
#include "util/environment.h"
#include "util/programs.h"
#include "util/text.h"
#include "util/url.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kServerName = "llama-server";
constexpr const char* kServerVariable = "MTPGRAFT_LLAMA_SERVER";
constexpr const char* kKeyVariable = "LLAMA_API_KEY";  // llama-server's own

constexpr std::uint32_t kDepthMax = 64;

// The first answer after a start takes what the server makes when it is first needed.
constexpr std::uint32_t kWarmUpTokens = 16;

Error usage(std::string message) { return {.code = ErrorCode::kUsage, .message = std::move(message)}; }

// A server that runs has its model, its arguments and its depth.
bool asks_for_start(const BenchRequest& request) {
  return !request.models.empty() || !request.server.empty() || !request.server_arguments.empty() ||
         !request.model_draft.empty() || !request.baseline.empty();
}

Status check_request(const BenchRequest& request) {
  if (request.url.empty() ? request.models.empty() : asks_for_start(request)) {
    auto error =
        usage(request.url.empty() ? "no model is named, and no server that runs"
                                  : "a server that runs is measured as it is: name no model, server or arguments");
    error.remedy = request.url.empty() ? Remedy::kBenchModel : Remedy::kNone;
    return error;
  }
  if (!request.url.empty() && !request.url.starts_with("http://") && !request.url.starts_with("https://")) {
    return usage(fmt::format("'{}' is no URL, such as http://127.0.0.1:8080", without_secret(request.url)));
  }
  if (request.depths.empty() ||
      std::ranges::any_of(request.depths, [](std::uint32_t depth) { return depth == 0 || depth > kDepthMax; })) {
    return usage(fmt::format("depths are numbers from 1 to {}", kDepthMax));
  }
  if (request.depths.size() > 1 && request.draft_arguments.find(kDepthMark) == std::string::npos) {
    auto error = usage(fmt::format("what makes the server draft needs {} where the depth stands", kDepthMark));
    error.remedy = Remedy::kBenchDrafts;
    return error;
  }
  for (auto depth = request.depths.begin(); depth != request.depths.end(); ++depth) {
    if (std::find(request.depths.begin(), depth, *depth) != depth) {
      return usage(fmt::format("depth {} is named twice", *depth));
    }
  }
  if (request.predict < kBenchTokensMin || request.predict > kBenchTokensMax) {
    return usage(
        fmt::format("the tokens for each prompt are a number from {} to {}", kBenchTokensMin, kBenchTokensMax));
  }
  for (const auto& prompt : request.prompts) {
    if (!is_utf8(prompt.text)) {
      return usage(fmt::format("the prompt '{}' is not UTF-8", prompt.kind));
    }
  }
  return check_server_arguments(request.server_arguments);
}

// A name without a folder is looked for on PATH, as a shell does it.
Result<std::string> find_server(const std::string& named) {
  auto path = named.empty() ? environment(kServerVariable) : named;
  const std::string name = path.empty() ? std::string(kServerName) : path;
  if (name.find('/') == std::string::npos) {
    const auto programs = find_programs(name);
    path = programs.empty() ? "" : programs.front();
  }
  if (path.empty()) {
    return Error{
        .code = ErrorCode::kIo, .message = fmt::format("found no {} on PATH", name), .remedy = Remedy::kNameServer};
  }
  return path;
}

// Whether a server runs it, before one is started; with a head, if it is to draft without another file.
Status check_model(const std::string& path, bool needs_head, const Context& context) {
  MTPGRAFT_TRY(const auto model, open_model(context.files, path));
  const auto summary = summarise(model.gguf);
  if (summary.recognised.kind != FileKind::kModel) {
    return Error{.code = ErrorCode::kIncompatible,
                 .message = fmt::format("is {}, and no model that a server runs", summary.recognised.what),
                 .path = path,
                 .remedy = summary.is_draft_model ? Remedy::kBenchSidecar : Remedy::kNone};
  }
  if (needs_head && summary.head.state != HeadState::kPresent) {
    return Error{.code = ErrorCode::kIncompatible,
                 .message = fmt::format("has no head that could draft ({})", head_state_name(summary.head.state)),
                 .path = path,
                 .hint = "graft one onto it, or name a sidecar that drafts beside it"};
  }
  return ok_status();
}

// Carries out the runs of one model.
class ModelBench {
 public:
  ModelBench(const Bench& bench, std::string model, const Progress& progress, BenchStep& step)
      : bench_(bench), request_(bench.request), model_(std::move(model)), progress_(progress), step_(step) {}

  Status run() {
    if (!request_.url.empty()) {
      MTPGRAFT_TRY(const auto server, BenchServer::connect(request_.url, environment(kKeyVariable)));
      return measure(*server, std::nullopt);
    }
    const auto order = start_order(request_.depths);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto depth = order[i];
      const auto& file = depth == 0 && !request_.baseline.empty() ? request_.baseline : model_;
      step_.depth = depth;
      step_.is_starting = true;
      MTPGRAFT_TRY(const auto server, BenchServer::start(bench_.server, request_, file, depth, progress_));
      step_.is_starting = false;
      MTPGRAFT_CHECK(measure(*server, depth));
      if (i + 1 == order.size()) {
        MTPGRAFT_CHECK(find_gaps(*server));
      }
    }
    return ok_status();
  }

  [[nodiscard]] ModelResult result(bool is_complete) const {
    auto result = add_up(runs_);
    result.model = model_;
    result.server_build = build_;
    result.is_complete = is_complete;
    for (auto& difference : result.differences) {
      const auto known = std::ranges::find_if(gaps_, [&](const TextDifference& other) {
        return other.prompt == difference.prompt && other.depth == difference.depth;
      });
      difference.gap = known != gaps_.end() ? known->gap : std::nullopt;
    }
    return result;
  }

 private:
  Status measure(BenchServer& server, std::optional<std::uint32_t> depth) {
    MTPGRAFT_TRY(build_, server.build(progress_));
    MTPGRAFT_CHECK(ask(server, request_.prompts.front(), kWarmUpTokens));
    MTPGRAFT_TRY(const auto before, server.counters(progress_));
    BenchRun run{.depth = depth};
    for (const auto& prompt : request_.prompts) {
      MTPGRAFT_TRY(auto answer, ask(server, prompt, request_.predict));
      if (depth == 0U && answer.drafted > 0) {
        return drafting_baseline(server);
      }
      run.answers.push_back(std::move(answer));
      ++step_.prompts_done;
    }
    MTPGRAFT_TRY(const auto after, server.counters(progress_));
    auto counted = difference(before, after);
    if (depth == 0U && counted.steps.value_or(0) > 0) {
      return drafting_baseline(server);
    }
    std::uint64_t drafted = 0;
    for (const auto& answer : run.answers) {
      drafted += answer.drafted;
    }
    if (counted.drafted == drafted) {  // else others ask the server, too
      run.steps = counted.steps;
      run.accepted_at = std::move(counted.accepted_at);
    }
    runs_.push_back(std::move(run));
    return ok_status();
  }

  Result<BenchAnswer> ask(BenchServer& server, const BenchPrompt& prompt, std::uint32_t predict) {
    MTPGRAFT_TRY(const auto body, server.ask(request_, prompt, predict, 0, progress_));
    auto answer = parse_answer(body, request_.chat);
    if (!answer.ok()) {
      answer.error().code = ErrorCode::kIo;
      return server.about(std::move(answer.error()));
    }
    return answer;
  }

  static Error drafting_baseline(BenchServer& server) {
    return server.about({.code = ErrorCode::kIo,
                         .message = "drafts although it was started without drafting: there is nothing to compare with",
                         .hint = "look for what makes it draft: an argument, a configuration file, a wrapper"});
  }

  // How near the best two tokens are where texts part, by the server without drafting.
  Status find_gaps(BenchServer& server) {
    if (request_.chat || request_.sampling.temperature.value_or(0) > 0) {
      return ok_status();
    }
    std::optional<std::size_t> asked;
    std::string body;
    auto differences = add_up(runs_).differences;
    std::erase_if(differences, [](const TextDifference& difference) { return !difference.token; });
    std::ranges::sort(differences, {}, &TextDifference::prompt);
    for (auto& difference : differences) {
      if (asked != difference.prompt) {
        auto answer = server.ask(request_, request_.prompts[difference.prompt], request_.predict, 2, progress_);
        if (!answer.ok()) {
          return answer.error().code == ErrorCode::kInterrupted ? Status(answer.error()) : ok_status();
        }
        body = std::move(answer.value());
        asked = difference.prompt;
      }
      difference.gap = find_gap(body, *difference.token);
      gaps_.push_back(difference);
    }
    return ok_status();
  }

  const Bench& bench_;
  const BenchRequest& request_;
  std::string model_;
  const Progress& progress_;
  BenchStep& step_;
  std::string build_;
  std::vector<BenchRun> runs_;
  std::vector<TextDifference> gaps_;
};

}  // namespace

Result<Bench> prepare_bench(const BenchRequest& request, const Context& context) {
  Bench bench{request};
  while (bench.request.url.ends_with('/')) {
    bench.request.url.pop_back();
  }
  auto& models = bench.request.models;
  std::erase_if(models, is_later_shard);
  if (bench.request.prompts.empty()) {
    bench.request.prompts = built_in_prompts();
  }
  MTPGRAFT_CHECK(check_request(bench.request));
  for (const auto& model : models) {
    MTPGRAFT_CHECK(check_model(model, request.model_draft.empty(), context));
  }
  if (!request.baseline.empty()) {
    MTPGRAFT_CHECK(check_model(request.baseline, false, context));
  }
  if (!request.model_draft.empty()) {
    MTPGRAFT_TRY(const auto sidecar, open_model(context.files, request.model_draft));
  }
  if (auto http = make_http_caller(""); !http.ok()) {
    http.error().code = ErrorCode::kIo;
    return http.error();
  }
  if (bench.request.url.empty()) {
    MTPGRAFT_TRY(bench.server, find_server(request.server));
  }
  return bench;
}

BenchResult run_bench(const Bench& bench, const BenchObserver& observer) {
  const auto& request = bench.request;
  const bool starts = request.url.empty();
  const auto models = starts ? request.models : std::vector{without_secret(request.url)};
  BenchStep step{.prompt_count = models.size() * (starts ? request.depths.size() + 2 : 1) * request.prompts.size()};
  const Progress progress = [&](std::uint64_t) { return !observer.step || observer.step(step); };
  BenchResult result;
  if (starts) {
    auto devices = list_devices(bench.server, progress);
    if (!devices.ok()) {
      result.error = std::move(devices.error());
      return result;
    }
    result.devices = std::move(devices.value());
  }
  for (const auto& model : models) {
    step.model = model;
    ModelBench measured(bench, model, progress, step);
    auto status = measured.run();
    result.models.push_back(measured.result(status.ok()));
    if (!status.ok()) {
      result.error = std::move(status.error());
      break;
    }
  }
  return result;
}

}  // namespace mtpgraft
