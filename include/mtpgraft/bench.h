// Measures what a head brings: drives a llama-server without drafting and with it, on the same prompts, and compares.
//
//     prepare_bench(request) ── checks the models, finds the server ──▶ Bench ── run_bench() ──▶ BenchResult
//
// Writes no file. A server that is started here never outlives the program.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/context.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// How tokens are chosen. Greedy unless a temperature is given.
struct BenchSampling {
  std::optional<double> temperature{};
  std::optional<std::uint32_t> top_k{};
  std::optional<double> top_p{};
  std::uint32_t seed = 1;
};

struct BenchPrompt {
  std::string kind;  // "code, C++", "prose"; for people
  std::string text;
};

// Nine, of code and prose.
std::vector<BenchPrompt> built_in_prompts();

// Those of a JSON array of texts. Fails with kMalformed if it is none; the error has no path.
Result<std::vector<BenchPrompt>> parse_bench_prompts(std::string_view json);

inline constexpr std::string_view kBenchDraftArguments = "--spec-type draft-mtp --spec-draft-n-max {n}";

// An answer of fewer tokens says nothing of speed.
inline constexpr std::uint32_t kBenchTokensMin = 8;
inline constexpr std::uint32_t kBenchTokensMax = 65536;

struct BenchRequest {
  std::vector<std::string> models;  // GGUFs, of split ones the first file; later shards are skipped
  std::string url{};                // a server that runs: it is measured as it is, and `models` is empty
  std::string server{};             // llama-server; empty: MTPGRAFT_LLAMA_SERVER, else PATH
  std::vector<std::string> server_arguments{};
  std::vector<std::uint32_t> depths{1, 2, 3};  // tokens to draft at a time; each needs a start of the server
  std::string model_draft{};                   // a sidecar, which drafts beside each model
  std::string baseline{};                      // is run as the model without drafting; empty: the model itself
  // What makes the server draft; split at spaces, {n} is the depth.
  std::string draft_arguments{kBenchDraftArguments};
  std::vector<BenchPrompt> prompts{};  // empty: the built-in ones
  std::uint32_t predict = 256;         // tokens to generate for each prompt, kBenchTokensMin to kBenchTokensMax
  BenchSampling sampling{};
  bool chat = false;  // prompts are messages of a user, in the model's chat template
  std::chrono::seconds start_timeout{600};
  std::chrono::seconds answer_timeout{300};
};

// The answer to one prompt.
struct BenchAnswer {
  std::uint64_t tokens = 0;
  double seconds = 0;  // of generating them
  std::uint64_t drafted = 0;
  std::uint64_t accepted = 0;
  std::string text{};
  std::vector<std::int64_t> ids{};  // of the tokens; empty where the server does not tell

  // 0 where it cannot be told.
  [[nodiscard]] double tokens_per_second() const {
    return seconds > 1e-6 && tokens >= kBenchTokensMin ? static_cast<double>(tokens) / seconds : 0;
  }
};

// One start of the server.
struct BenchRun {
  std::optional<std::uint32_t> depth = 0;    // 0: without drafting; nothing: as a server that runs does it
  std::vector<BenchAnswer> answers{};        // one for each prompt
  std::optional<std::uint64_t> steps{};      // of the model in which drafts were checked, if the server tells
  std::vector<std::uint64_t> accepted_at{};  // by position in the draft; empty where the server does not tell
};

struct Quartiles {
  double lower = 0;
  double median = 0;
  double upper = 0;
};

// What a depth came to, over all prompts.
struct DepthResult {
  std::optional<std::uint32_t> depth{};
  std::uint64_t drafted = 0;
  std::uint64_t accepted = 0;
  std::optional<double> acceptance{};                // accepted / drafted; nothing where nothing was drafted
  std::vector<double> acceptance_by_position{};      // of the drafts that were checked; empty where it is not known
  std::optional<double> tokens_per_step{};           // of the model
  double tokens_per_second = 0;                      // the median of the prompts
  std::optional<Quartiles> speedup{};                // of paired ratios; nothing without a baseline
  std::string speedup_doubt{};                       // why the speed-up is none that can be told; empty: it can
  std::vector<std::size_t> prompts_of_other_text{};  // whose text is not that without drafting
};

// Where the text with drafting leaves the one without.
struct TextDifference {
  std::size_t prompt = 0;
  std::optional<std::uint32_t> depth{};
  std::uint64_t offset = 0;            // in bytes of the text
  std::optional<std::size_t> token{};  // the first that differs, which may be before that byte, if ids are known
  std::optional<double> gap{};         // of the log-probabilities of its best two candidates; small: a near-tie
};

struct ModelResult {
  std::string model;  // its path, or the URL
  std::string server_build{};
  bool has_baseline = false;              // it was run without drafting, too
  double baseline_tokens_per_second = 0;  // 0 where it cannot be told
  std::optional<double> noise{};          // how far apart two runs of the same are: 0.02 is 2 %
  std::vector<DepthResult> depths{};      // in the order of the request
  std::vector<TextDifference> differences{};
  bool is_complete = false;  // false: it was interrupted
};

// What is to be measured, checked. Nothing has been started.
struct Bench {
  BenchRequest request;  // with prompts and without later shards
  std::string server{};  // the llama-server that will be run; empty with a URL
};

// Where a measurement is.
struct BenchStep {
  std::string model{};
  std::optional<std::uint32_t> depth{};  // as in BenchRun
  bool is_starting = false;              // the server is not ready yet
  std::size_t prompts_done = 0;          // of all models and starts
  std::size_t prompt_count = 0;
};

struct BenchObserver {
  // Is called several times a second; returning false stops. May be empty.
  std::function<bool(const BenchStep&)> step{};
};

struct BenchResult {
  std::optional<std::vector<std::string>> devices{};  // beside the CPU, as the server lists them, if it tells
  std::vector<ModelResult> models{};                  // as far as it came
  std::optional<Error> error{};                       // why it ended before its end
};

// What is asked of a measurement.
struct BenchGoals {
  std::optional<double> acceptance_min{};  // at each depth
  std::optional<double> speedup_min{};     // of the best depth
  bool same_text = false;                  // as without drafting, at every depth
};

// Below, drafts are noise: the head is wrong, or dead.
inline constexpr double kDeadAcceptance = 0.05;

struct BenchVerdict {
  std::vector<std::string> problems{};  // for people; empty: all that was asked for is so

  [[nodiscard]] bool ok() const { return problems.empty(); }
};

BenchVerdict judge_bench(const BenchResult& result, const BenchGoals& goals);

// Of the depths of a model that draft, the index of the one with the highest speed-up that can be told; nothing if none
// is above 1.
std::optional<std::size_t> find_best_depth(const ModelResult& result);

// The command line by which a user runs `model` as it was measured, but for the number of requests at once.
std::vector<std::string> run_command(const BenchRequest& request, const std::string& model, std::uint32_t depth);

// The Markdown in the JSON that a measurement was printed as, by the file names of its models. Fails with kMalformed or
// kUnsupported if it is no such JSON; the error has no path.
Result<std::map<std::string, std::string>> parse_bench_cards(std::string_view json);

// Finds the server and looks at the models. Fails with kUsage for a request that contradicts itself or arguments of the
// server that a measurement sets, with kIncompatible for a model without a head, with kIo if there is no server or no
// libcurl, and as open_model() does.
Result<Bench> prepare_bench(const BenchRequest& request, const Context& context);

// Measures one model after the other. Call it in the program's main thread: the server ends with the thread that
// started it.
BenchResult run_bench(const Bench& bench, const BenchObserver& observer);

}  // namespace mtpgraft
