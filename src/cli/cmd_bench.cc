#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "cli/events.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "mtpgraft/bench.h"
#include "mtpgraft/text_file.h"
#include "report/bench.h"
#include "report/events.h"

namespace mtpgraft::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kInterval(100);

// What real files of prompts do not come near.
constexpr std::uint64_t kPromptBytesMax = std::uint64_t{16} << 20;

constexpr std::uint32_t kTimeoutMaxSeconds = 7 * 24 * 60 * 60;

struct BenchOptions {
  BenchRequest request;
  BenchGoals goals;
  std::string prompts;  // a file
  std::string card;
  std::string chart;
  Overwrite overwrite = Overwrite::kNo;
  std::uint32_t start_seconds = 600;
  std::uint32_t answer_seconds = 300;
};

// Tells of the steps, by a line on the terminal with the time that is left, or by events.
class BenchProgress {
 public:
  explicit BenchProgress(bool is_shown) : is_shown_(is_shown) {}

  bool tell(const BenchStep& step) {
    const auto now = Clock::now();
    const bool is_new = step.prompts_done != told_.prompts_done || step.is_starting != told_.is_starting ||
                        step.depth != told_.depth || step.model != told_.model;
    if (writes_events() && is_new) {
      write_event([&](std::string_view command) { return report::bench_event(command, step, seconds_since(start_)); });
      told_ = step;
    }
    if (is_shown_ && now - shown_at_ >= kInterval) {
      show_progress(report::describe_step(step, seconds_since(start_)));
      shown_at_ = now;
    }
    return !signal_is_noted();
  }

 private:
  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  const bool is_shown_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point shown_at_{};
  BenchStep told_{};
};

Result<std::vector<BenchPrompt>> read_prompts(const std::string& path, FileSystem& files) {
  MTPGRAFT_TRY(const auto file, files.open(path));
  MTPGRAFT_TRY(const auto text, read_text(*file, kPromptBytesMax));
  auto prompts = parse_bench_prompts(text);
  if (!prompts.ok()) {
    prompts.error().path = path;
    prompts.error().hint = R"(it is to be a JSON array of texts: ["first prompt", "second prompt"])";
  }
  return prompts;
}

Status check_writable(const std::string& path, const std::vector<const ReadableFile*>& inputs, Overwrite overwrite,
                      FileSystem& files) {
  auto status = files.check_output(path, inputs, overwrite);
  if (!status.ok() && status.error().remedy != Remedy::kNone) {
    status.error().hint = status.error().remedy == Remedy::kOverwriteOutput
                              ? "use --force to replace it, or give another name"
                              : "give another name";
    status.error().remedy = Remedy::kNone;
  }
  MTPGRAFT_CHECK(std::move(status));
  const auto probe = files.stage(path, 0);
  return probe.ok() ? ok_status() : Status(probe.error());
}

// Before hours of measuring: whether the card and the chart can be written, and are no inputs.
Status check_outputs(const BenchOptions& options, FileSystem& files) {
  auto inputs = options.request.models;
  inputs.insert(inputs.end(), {options.request.model_draft, options.request.baseline, options.prompts});
  std::erase(inputs, "");
  std::vector<std::unique_ptr<ReadableFile>> opened;
  for (const auto& input : inputs) {
    MTPGRAFT_TRY(auto file, files.open(input));
    opened.push_back(std::move(file));
  }
  std::vector<const ReadableFile*> pointers;
  std::ranges::transform(opened, std::back_inserter(pointers), [](const auto& file) { return file.get(); });
  for (const auto& path : {options.card, options.chart}) {
    if (!path.empty()) {
      MTPGRAFT_CHECK(check_writable(path, pointers, options.overwrite, files));
    }
  }
  if (!options.card.empty() && options.card == options.chart) {
    return Error{.code = ErrorCode::kUsage, .message = "card and chart have the same name", .path = options.card};
  }
  return ok_status();
}

Status write_outputs(const BenchOptions& options, const Bench& bench, const BenchResult& result, FileSystem& files) {
  const auto write = [&](const std::string& path, const std::string& text) {
    return path.empty() ? ok_status()
                        : write_text(files, path, text, kNewFilePermissions, options.overwrite, Durability::kSync);
  };
  MTPGRAFT_CHECK(write(options.card, report::bench_card(bench, result)));
  return write(options.chart, report::bench_chart(result));
}

Result<int> run_bench_command(const BenchOptions& options, const OutputOptions& output, FileSystem& files) {
  auto request = options.request;
  if (options.goals.same_text && request.sampling.temperature.value_or(0) > 0) {
    return Error{.code = ErrorCode::kUsage,
                 .message = "--require-same-text and --temp: texts that are sampled differ anyway",
                 .hint = "leave one of them out"};
  }
  request.start_timeout = std::chrono::seconds(options.start_seconds);
  request.answer_timeout = std::chrono::seconds(options.answer_seconds);
  if (!options.prompts.empty()) {
    MTPGRAFT_TRY(request.prompts, read_prompts(options.prompts, files));
  }
  MTPGRAFT_TRY(const auto bench, prepare_bench(request, make_context(files, output, {})));
  MTPGRAFT_CHECK(check_outputs(options, files));
  BenchProgress progress(shows_progress(output));
  auto result = run_bench(bench, {[&](const BenchStep& step) { return progress.tell(step); }});
  erase_progress();
  const auto verdict = judge_bench(result, options.goals);
  if (!result.error) {
    // What was measured is printed all the same.
    if (auto written = write_outputs(options, bench, result, files); !written.ok()) {
      result.error = std::move(written.error());
    }
  }
  MTPGRAFT_CHECK(print_answer(
      output, [&] { return report::bench_to_json(bench, result, verdict); },
      [&] { return report::describe_bench(bench, result); }));
  if (result.error && output.json) {
    if (result.error->code == ErrorCode::kInterrupted) {
      raise_noted_signal();
    }
    return exit_code(result.error->code);
  }
  if (result.error) {
    return *result.error;
  }
  for (const auto& problem : verdict.problems) {
    log_problem(problem);
  }
  return verdict.ok() ? 0 : kExitDifference;
}

// What a server that runs has already, or what has no meaning without a baseline.
void add_start_options(CLI::App& command, BenchOptions& options, CLI::Option* url) {
  auto& request = options.request;
  const auto excluded = [&](CLI::Option* option, const char* text) { option->excludes(url)->option_text(text); };
  excluded(command.add_option("--depths", request.depths, "Numbers of tokens to draft at a time (default: 1,2,3)")
               ->delimiter(','),
           "N,N...");
  excluded(command.add_option("--model-draft", request.model_draft, "A sidecar that drafts beside each MODEL")
               ->type_name(kModelFiles),
           "FILE");
  excluded(command
               .add_option("--baseline", request.baseline,
                           "The model that is run without drafting, as the ungrafted target (default: MODEL)")
               ->type_name(kModelFiles),
           "FILE");
  excluded(command
               .add_option("--server", request.server,
                           "The llama-server to run (default: MTPGRAFT_LLAMA_SERVER, or the first on PATH)")
               ->type_name(kAnyFiles),
           "FILE");
  excluded(command.add_option("--draft-args", request.draft_arguments,
                              fmt::format("What makes the server draft, split at spaces; {{n}} is the depth (default: "
                                          "'{}')",
                                          kBenchDraftArguments)),
           "TEXT");
  excluded(command
               .add_option("--start-timeout", options.start_seconds,
                           "Seconds until the server must have loaded the model (default: 600)")
               ->check(CLI::Range(std::uint32_t{1}, kTimeoutMaxSeconds)),
           "N");
  excluded(command
               .add_option("--min-speedup", options.goals.speedup_min,
                           "Exit with 1 if the fastest depth has a smaller speed-up")
               ->check(CLI::NonNegativeNumber),
           "X");
  excluded(command.add_flag("--require-same-text", options.goals.same_text,
                            "Exit with 1 if a text with drafting is not the one without (near-ties can differ)"),
           "");
}

void add_request_options(CLI::App& command, BenchOptions& options) {
  auto& request = options.request;
  command.add_option("--prompts", options.prompts, "A JSON array of prompts, in place of the nine built-in ones")
      ->option_text("FILE")
      ->type_name(kPlanFiles);
  command.add_option("--predict", request.predict, "Tokens to generate for each prompt (default: 256)")
      ->option_text("N")
      ->check(CLI::Range(kBenchTokensMin, kBenchTokensMax));
  command.add_flag("--chat", request.chat, "Send each prompt as a user's message, in the model's chat template");
  auto* temperature =
      command
          .add_option("--temp", request.sampling.temperature, "Temperature (default: 0, which always takes the best)")
          ->option_text("T")
          ->check(CLI::Range(0.0, 100.0));
  command.add_option("--top-k", request.sampling.top_k, "Sample from the N best tokens")
      ->option_text("N")
      ->needs(temperature);
  command.add_option("--top-p", request.sampling.top_p, "Sample from the best tokens of together this probability")
      ->option_text("P")
      ->needs(temperature)
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--seed", request.sampling.seed, "Seed for sampling (default: 1)")->option_text("N");
  command
      .add_option("--answer-timeout", options.answer_seconds, "Seconds until an answer must be there (default: 300)")
      ->option_text("N")
      ->check(CLI::Range(std::uint32_t{1}, kTimeoutMaxSeconds));
  command
      .add_option("--min-acceptance", options.goals.acceptance_min, "Exit with 1 if a depth accepts a smaller share")
      ->option_text("A")
      ->check(CLI::Range(0.0, 1.0));
}

constexpr auto kFooter = R"(Examples:
  mtpgraft bench Model-MTP-Q4_K_M.gguf -- -ngl 99 -fa on -c 8192
  mtpgraft bench out/*-MTP-*.gguf --card card.md --json -- -ngl 99 > bench.json
  mtpgraft bench --url http://127.0.0.1:8080
Behind -- stand the server's own options, as you will run it; -m, --port and --spec-* are set for you.
The server is started without drafting, once for each depth, and without drafting again; it ends with the measurement.
acceptance: of the drafted tokens the share that the model took. At depth 1 about 0.9 is a head of this very model, 0.4
one that fits badly (another fine-tune, a coarse quantisation), below 0.05 a wrong or dead one (exit code 1).
by position: the share of drafts whose 1st, 2nd, ... token was taken.
speed-up: the median over the prompts of the speed with drafting by the speed without, with quartiles; '-' if the noise
between the two runs without drafting explains it.
With --json each model's card is there, too; 'mtpgraft release --bench bench.json' puts it into the release's.
)";

}  // namespace

void add_bench(CLI::App& app, Program& program) {
  const auto options = std::make_shared<BenchOptions>();
  auto& request = options->request;
  auto* command = add_command(app, program, "bench", "Measure with your llama-server what a head brings", options,
                              run_bench_command);
  auto* models =
      command->add_option("MODEL", request.models, "Models with a head; later files of split ones are left out")
          ->type_name(kModelFiles);
  auto* url = command->add_option("--url", request.url, "Measure a server that runs, as it is; without a comparison")
                  ->option_text("URL")
                  ->excludes(models);
  add_start_options(*command, *options, url);
  add_request_options(*command, *options);
  command->add_option("--card", options->card, "Write the figures as Markdown, for the model card")
      ->option_text("FILE")
      ->type_name(kAnyFiles);
  command->add_option("--chart", options->chart, "Write acceptance and speed-up by depth as an SVG image")
      ->option_text("FILE")
      ->type_name(kAnyFiles);
  command->add_flag_callback(
      "-f,--force", [options] { options->overwrite = Overwrite::kYes; }, "Replace card and chart if they are there");
  command->parse_complete_callback(
      [options, &program] { options->request.server_arguments = program.server_arguments; });
  command->footer(kFooter);
}

}  // namespace mtpgraft::cli
