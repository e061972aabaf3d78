#include <fmt/format.h>

#include <algorithm>

#include "report/bench.h"
#include "report/words.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft::report {
namespace {

std::string depth_text(const std::optional<std::uint32_t>& depth) {
  return depth ? fmt::format("{}", *depth) : "as it runs";
}

std::string number_or_dash(const std::optional<double>& value, int digits) {
  return value ? fmt::format("{:.{}f}", *value, digits) : "-";
}

std::string positions_text(const DepthResult& depth) {
  std::vector<std::string> parts;
  for (const auto value : depth.acceptance_by_position) {
    parts.push_back(fmt::format("{:.3f}", value));
  }
  return parts.empty() ? "-" : fmt::format("{}", fmt::join(parts, " "));
}

std::string speedup_text(const DepthResult& depth) {
  return depth.speedup ? fmt::format("{:.2f} ({:.2f} to {:.2f})", depth.speedup->median, depth.speedup->lower,
                                     depth.speedup->upper)
                       : "-";
}

std::string sampling_text(const BenchSampling& sampling) {
  const auto temperature = sampling.temperature.value_or(0);
  if (temperature <= 0) {
    return "greedy";
  }
  auto text = fmt::format("temperature {}", temperature);
  text += sampling.top_k ? fmt::format(", top-k {}", *sampling.top_k) : "";
  text += sampling.top_p ? fmt::format(", top-p {}", *sampling.top_p) : "";
  return text;
}

std::string settings_text(const BenchRequest& request) {
  auto text = fmt::format("{}, up to {} tokens for each of {}{}", sampling_text(request.sampling), request.predict,
                          plural(request.prompts.size(), "prompt"), request.chat ? " as a chat message" : "");
  text += request.model_draft.empty() ? "" : fmt::format(", drafted by {}", printable(base_name(request.model_draft)));
  return text;
}

std::string server_text(const BenchResult& result, const ModelResult& model) {
  auto text = fmt::format("llama-server {}", model.server_build.empty() ? "of unknown build" : model.server_build);
  if (result.devices) {
    text += result.devices->empty() ? ", CPU only" : fmt::format(", on {}", fmt::join(*result.devices, ", "));
  }
  return printable(text);
}

std::string speed_text(double tokens_per_second) {
  return tokens_per_second > 0 ? fmt::format("{:.1f}", tokens_per_second) : "-";
}

std::vector<std::string> figures(const DepthResult& depth) {
  return {number_or_dash(depth.acceptance, 3), positions_text(depth), number_or_dash(depth.tokens_per_step, 2),
          speed_text(depth.tokens_per_second), speedup_text(depth)};
}

std::vector<Row> depth_rows(const ModelResult& model, const std::optional<std::size_t>& best) {
  std::vector<Row> rows{{"", "depth", "acceptance", "by position", "tokens/step", "tokens/s", "speed-up"}};
  if (model.has_baseline) {
    rows.push_back({"", "none", "-", "-", "1.00", speed_text(model.baseline_tokens_per_second), "1"});
  }
  for (std::size_t i = 0; i < model.depths.size(); ++i) {
    auto& row = rows.emplace_back(Row{best == i ? "*" : "", depth_text(model.depths[i].depth)});
    const auto cells = figures(model.depths[i]);
    row.insert(row.end(), cells.begin(), cells.end());
  }
  return rows;
}

// What is said of the text, if it was compared.
std::string describe_texts(const BenchRequest& request, const ModelResult& model) {
  const auto answers = model.depths.size() * request.prompts.size();
  if (!model.has_baseline || request.sampling.temperature.value_or(0) > 0 || answers == 0) {
    return {};
  }
  if (model.differences.empty()) {
    return fmt::format("text: the same as without drafting, in all {} answers\n", answers);
  }
  auto text = fmt::format("text: not that without drafting in {} of {} answers\n", model.differences.size(), answers);
  for (const auto& difference : model.differences) {
    text += fmt::format("  {}, depth {}: from byte {} on", request.prompts[difference.prompt].kind,
                        depth_text(difference.depth), difference.offset);
    text += difference.gap
                ? fmt::format("; the best two tokens at the first that differs are {:.3f} apart (log-probability)\n",
                              *difference.gap)
                : std::string("\n");
  }
  return text;
}

std::string shell_line(const std::vector<std::string>& words) {
  std::vector<std::string> quoted;
  std::ranges::transform(words, std::back_inserter(quoted), [](const std::string& word) { return shell_word(word); });
  return fmt::format("{}", fmt::join(quoted, " "));
}

std::string describe_model(const Bench& bench, const BenchResult& result, const ModelResult& model) {
  const auto best = find_best_depth(model);
  auto text = fmt::format("{}\n", printable(model.model));
  text += fmt::format("{}; {}\n", server_text(result, model), settings_text(bench.request));
  text += format_table(depth_rows(model, best), "");
  for (const auto& depth : model.depths) {
    if (!depth.speedup_doubt.empty()) {
      text += fmt::format("depth {}: no speed-up that can be told: {}\n", depth_text(depth.depth), depth.speedup_doubt);
    }
  }
  if (model.is_complete && model.has_baseline && !best) {
    text += "no depth is faster than without drafting, as far as that can be told\n";
  }
  text += describe_texts(bench.request, model);
  if (best && model.depths[*best].depth) {
    text += fmt::format("* the fastest; to run it:\n  {}\n",
                        shell_line(run_command(bench.request, model.model, *model.depths[*best].depth)));
  }
  if (!model.is_complete) {
    text += "not complete: the measurement ended before its end\n";
  }
  return text;
}

}  // namespace

std::string describe_step(const BenchStep& step, double seconds) {
  const auto what = !step.depth       ? std::string("as it runs")
                    : *step.depth > 0 ? fmt::format("depth {}", *step.depth)
                                      : std::string("without drafting");
  auto text = fmt::format("bench  {}, {}: {} of {} answers", printable(base_name(step.model)), what, step.prompts_done,
                          step.prompt_count);
  if (step.is_starting) {
    return text + ", the server is loading the model";
  }
  if (step.prompts_done > 0) {
    const auto left =
        seconds * static_cast<double>(step.prompt_count - step.prompts_done) / static_cast<double>(step.prompts_done);
    const auto left_seconds = static_cast<std::uint64_t>(left);
    text += fmt::format("  {}:{:02} left", left_seconds / 60, left_seconds % 60);
  }
  return text;
}

std::string describe_bench(const Bench& bench, const BenchResult& result) {
  std::string text;
  for (const auto& model : result.models) {
    if (!model.depths.empty()) {
      text += text.empty() ? "" : "\n";
      text += describe_model(bench, result, model);
    }
  }
  return text;
}

std::string model_card(const Bench& bench, const BenchResult& result, const ModelResult& model) {
  const auto best = find_best_depth(model);
  const auto& request = bench.request;
  auto published = request;
  published.model_draft = base_name(request.model_draft);
  auto text = fmt::format("`{}`\n\n", printable(base_name(model.model)));
  text += "| tokens drafted | acceptance | by position | tokens per step | tokens/s | speed-up |\n";
  text += "|---|---|---|---|---|---|\n";
  if (model.has_baseline) {
    text += fmt::format("| none | - | - | 1.00 | {} | 1 |\n", speed_text(model.baseline_tokens_per_second));
  }
  for (std::size_t i = 0; i < model.depths.size(); ++i) {
    const auto* const mark = best == i ? "**" : "";
    text += fmt::format("| {0}{1}{0} | {2} |\n", mark, depth_text(model.depths[i].depth),
                        fmt::join(figures(model.depths[i]), " | "));
  }
  if (best && model.depths[*best].depth) {
    text += fmt::format("\n    {}\n",
                        shell_line(run_command(published, base_name(model.model), *model.depths[*best].depth)));
  }
  text += fmt::format("\nMeasured with {}: {}", server_text(result, model), settings_text(request));
  text += request.server_arguments.empty() ? "." : fmt::format(", `{}`.", shell_line(request.server_arguments));
  if (model.has_baseline) {
    text += fmt::format(" Speed-up is the median over the prompts, with quartiles, against {} without drafting",
                        request.baseline.empty() ? "the same file" : fmt::format("`{}`", base_name(request.baseline)));
    text += model.noise ? fmt::format("; two such runs differ by at most {:.1f} % on three of four prompts.",
                                      100 * *model.noise)
                        : std::string(".");
  }
  return text + "\n";
}

std::string bench_card(const Bench& bench, const BenchResult& result) {
  std::string text(kCardHeading);
  for (const auto& model : result.models) {
    text += "\n";
    text += model_card(bench, result, model);
  }
  return text;
}

}  // namespace mtpgraft::report
