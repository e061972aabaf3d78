// What a measurement of drafting came to: for people, for programs, for model cards.
#pragma once

#include <string>
#include <string_view>

#include "mtpgraft/bench.h"

namespace mtpgraft::report {

// "bench  Model-MTP.gguf, depth 2: 7 of 45 answers  3:10 left".
std::string describe_step(const BenchStep& step, double seconds);

std::string describe_bench(const Bench& bench, const BenchResult& result);
std::string bench_to_json(const Bench& bench, const BenchResult& result, const BenchVerdict& verdict);

// Markdown: a heading, and for each model the figures and how they were measured.
inline constexpr std::string_view kCardHeading = "## Speculative decoding with the MTP head\n";
std::string bench_card(const Bench& bench, const BenchResult& result);
std::string model_card(const Bench& bench, const BenchResult& result, const ModelResult& model);

// An SVG of acceptance and speed-up by depth, which can be read on a light and on a dark page.
std::string bench_chart(const BenchResult& result);

}  // namespace mtpgraft::report
