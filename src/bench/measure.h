// What a server's answers say, and what a model's runs come to. All here is pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/bench.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// Counters of /metrics, in Prometheus's text; those that a server does not have are absent or empty.
struct DraftCounters {
  std::optional<std::uint64_t> drafted{};
  std::optional<std::uint64_t> accepted{};
  std::optional<std::uint64_t> steps{};      // in which drafts were checked
  std::vector<std::uint64_t> accepted_at{};  // by position
};

DraftCounters parse_metrics(std::string_view text);

// What was counted between the two.
DraftCounters difference(const DraftCounters& before, const DraftCounters& after);

// An answer of /completion, or with `chat` of /v1/chat/completions. Fails with kMalformed if it is none, or has no
// timings. The error has no path.
Result<BenchAnswer> parse_answer(std::string_view body, bool chat);

// The gap of the best two log-probabilities for a token of an answer with n_probs; nothing if it does not tell.
std::optional<double> find_gap(std::string_view body, std::size_t token);

// Needs at least one value.
Quartiles quartiles_of(std::vector<double> values);

// Adds up the runs of one model, each of the same prompts: those of depth 0 are the baseline.
ModelResult add_up(std::span<const BenchRun> runs);

}  // namespace mtpgraft
