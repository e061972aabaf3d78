#include "bench/measure.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "util/json.h"
#include "util/lines.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kPrefix = "llamacpp:";
constexpr std::string_view kAcceptedAt = "spec_decode_num_accepted_tokens_per_pos_total{position=\"";

// More than any draft is long.
constexpr std::uint64_t kPositionsMax = 1024;

// A count that somebody wrote as a decimal.
std::optional<std::uint64_t> as_count(std::optional<double> number) {
  return number && *number >= 0 && *number < 0x1p53 ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
}

std::optional<std::uint64_t> since(std::optional<std::uint64_t> before, std::optional<std::uint64_t> after) {
  return after ? std::optional(*after - std::min(before.value_or(0), *after)) : std::nullopt;
}

// A number below a key of a key.
double number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Error no_answer(std::string what) { return {.code = ErrorCode::kMalformed, .message = std::move(what)}; }

// What the model said, its thoughts first.
Result<std::string> chat_text(const Json& answer) {
  const auto choices = answer.find("choices");
  if (choices == answer.end() || !choices->is_array() || choices->empty() || !choices->front().is_object()) {
    return no_answer("the answer has no choices");
  }
  const auto message = choices->front().find("message");
  if (message == choices->front().end() || !message->is_object()) {
    return no_answer("the answer has no message");
  }
  return text_at(*message, "reasoning_content") + text_at(*message, "content");
}

std::vector<std::int64_t> ids_of(const Json& answer) {
  std::vector<std::int64_t> ids;
  if (const auto tokens = answer.find("tokens"); tokens != answer.end() && tokens->is_array()) {
    for (const auto& id : *tokens) {
      ids.push_back(id.is_number_integer() ? id.get<std::int64_t>() : -1);
    }
  }
  return ids;
}

double median_of(const std::vector<double>& values) { return values.empty() ? 0 : quartiles_of(values).median; }

// Of the answers whose speed can be told.
std::vector<double> speeds_of(const BenchRun& run) {
  std::vector<double> speeds;
  for (const auto& answer : run.answers) {
    if (answer.tokens_per_second() > 0) {
      speeds.push_back(answer.tokens_per_second());
    }
  }
  return speeds;
}

// The speed without drafting, for each prompt the mean of all such runs; and how far these are apart.
struct Baseline {
  std::vector<double> speeds;
  std::optional<double> noise;  // nothing without a second run
};

Baseline find_baseline(const std::vector<const BenchRun*>& runs) {
  Baseline baseline;
  if (runs.empty()) {
    return baseline;
  }
  std::vector<double> distances;
  for (std::size_t prompt = 0; prompt < runs.front()->answers.size(); ++prompt) {
    double sum = 0;
    std::size_t count = 0;
    double least = INFINITY;
    double most = 0;
    for (const auto* run : runs) {
      const auto speed = prompt < run->answers.size() ? run->answers[prompt].tokens_per_second() : 0;
      if (speed > 0) {
        sum += speed;
        ++count;
        least = std::min(least, speed);
        most = std::max(most, speed);
      }
    }
    baseline.speeds.push_back(count > 0 ? sum / static_cast<double>(count) : 0);
    if (count > 1) {
      distances.push_back(most / least - 1);
    }
  }
  if (!distances.empty()) {
    baseline.noise = quartiles_of(std::move(distances)).upper;
  }
  return baseline;
}

void find_speedup(const BenchRun& run, const Baseline& baseline, DepthResult& result) {
  std::vector<double> ratios;
  for (std::size_t prompt = 0; prompt < std::min(run.answers.size(), baseline.speeds.size()); ++prompt) {
    const auto speed = run.answers[prompt].tokens_per_second();
    if (speed > 0 && baseline.speeds[prompt] > 0) {
      ratios.push_back(speed / baseline.speeds[prompt]);
    }
  }
  if (baseline.speeds.empty()) {
    return;
  }
  if (ratios.empty()) {
    result.speedup_doubt = fmt::format("no text has {} tokens", kBenchTokensMin);
    return;
  }
  const auto speedup = quartiles_of(std::move(ratios));
  if (!baseline.noise) {
    result.speedup_doubt =
        fmt::format("{:.2f}, and there is no second run without drafting that tells the noise", speedup.median);
  } else if (std::abs(std::log(speedup.median)) <= std::log(1 + *baseline.noise)) {
    result.speedup_doubt =
        fmt::format("{:.2f}, and two runs without drafting differ by {:.0f} %", speedup.median, 100 * *baseline.noise);
  } else if (speedup.lower < 1 && speedup.upper > 1) {
    result.speedup_doubt = fmt::format("{:.2f}, and half of the prompts lie between {:.2f} and {:.2f}", speedup.median,
                                       speedup.lower, speedup.upper);
  } else {
    result.speedup = speedup;
  }
}

DepthResult add_up_depth(const BenchRun& run, const Baseline& baseline) {
  DepthResult result{.depth = run.depth};
  std::uint64_t tokens = 0;
  for (const auto& answer : run.answers) {
    result.drafted += answer.drafted;
    result.accepted += answer.accepted;
    tokens += answer.tokens;
  }
  if (result.drafted > 0) {
    result.acceptance = static_cast<double>(result.accepted) / static_cast<double>(result.drafted);
  }
  // Each step of the model brings one token of its own, and the drafted ones that it accepts.
  if (tokens > result.accepted) {
    result.tokens_per_step = static_cast<double>(tokens) / static_cast<double>(tokens - result.accepted);
  }
  for (const auto accepted : run.accepted_at) {
    if (run.steps.value_or(0) > 0) {
      const auto share = static_cast<double>(accepted) / static_cast<double>(*run.steps);
      result.acceptance_by_position.push_back(std::min(share, 1.0));
    }
  }
  result.tokens_per_second = median_of(speeds_of(run));
  find_speedup(run, baseline, result);
  return result;
}

// The first place where the two differ; nothing if they are equal.
template <class Range>
std::optional<std::size_t> first_difference(const Range& a, const Range& b) {
  const auto [end_of_a, end_of_b] = std::ranges::mismatch(a, b);
  return end_of_a == a.end() && end_of_b == b.end() ? std::nullopt
                                                    : std::optional(static_cast<std::size_t>(end_of_a - a.begin()));
}

std::optional<TextDifference> find_difference(const BenchAnswer& expected, const BenchAnswer& answer) {
  const auto offset = first_difference(expected.text, answer.text);
  if (!offset) {
    return std::nullopt;
  }
  TextDifference difference{.offset = *offset};
  if (!expected.ids.empty() && !answer.ids.empty()) {
    difference.token = first_difference(expected.ids, answer.ids);
  }
  return difference;
}

// Of the depths that draft. Null if no speed-up can be told.
const DepthResult* find_fastest(const ModelResult& result) {
  const DepthResult* fastest = nullptr;
  for (const auto& depth : result.depths) {
    const bool is_alive = depth.acceptance.value_or(0) >= kDeadAcceptance;
    if (is_alive && depth.speedup && (fastest == nullptr || depth.speedup->median > fastest->speedup->median)) {
      fastest = &depth;
    }
  }
  return fastest;
}

}  // namespace

DraftCounters parse_metrics(std::string_view text) {
  std::map<std::string_view, std::uint64_t> values;
  DraftCounters counters;
  for (auto line : lines_of(text)) {
    const auto space = line.rfind(' ');
    if (!line.starts_with(kPrefix) || space == std::string_view::npos) {
      continue;
    }
    const auto value = as_count(parse_number<double>(line.substr(space + 1)));
    auto name = line.substr(kPrefix.size(), space - kPrefix.size());
    if (!value) {
      continue;
    }
    if (name.starts_with(kAcceptedAt)) {
      name.remove_prefix(kAcceptedAt.size());
      const auto position = take_number<std::uint64_t>(name);
      if (position && *position < kPositionsMax) {
        counters.accepted_at.resize(std::max<std::size_t>(counters.accepted_at.size(), *position + 1));
        counters.accepted_at[*position] = *value;
      }
    } else {
      values[name] = *value;
    }
  }
  const auto find = [&](std::string_view name) {
    const auto found = values.find(name);
    return found != values.end() ? std::optional(found->second) : std::nullopt;
  };
  counters.drafted = find("spec_decode_num_draft_tokens_total");
  counters.accepted = find("spec_decode_num_accepted_tokens_total");
  counters.steps = find("spec_decode_num_drafts_total");
  return counters;
}

DraftCounters difference(const DraftCounters& before, const DraftCounters& after) {
  DraftCounters counted{since(before.drafted, after.drafted), since(before.accepted, after.accepted),
                        since(before.steps, after.steps), after.accepted_at};
  for (std::size_t i = 0; i < std::min(before.accepted_at.size(), counted.accepted_at.size()); ++i) {
    counted.accepted_at[i] -= std::min(before.accepted_at[i], counted.accepted_at[i]);
  }
  return counted;
}

Result<BenchAnswer> parse_answer(std::string_view body, bool chat) {
  MTPGRAFT_TRY(const auto json, parse_json<Json>(body));
  if (!json.is_object()) {
    return no_answer("the answer is no JSON object");
  }
  const auto timings = json.find("timings");
  if (timings == json.end() || !timings->is_object()) {
    return no_answer("the answer has no timings");
  }
  BenchAnswer answer;
  const auto count = [&](const char* key) { return as_count(number_at(*timings, key)).value_or(0); };
  answer.tokens = count("predicted_n");
  answer.seconds = number_at(*timings, "predicted_ms") / 1000;
  answer.drafted = count("draft_n");
  answer.accepted = std::min(count("draft_n_accepted"), answer.drafted);
  if (chat) {
    MTPGRAFT_TRY(answer.text, chat_text(json));
  } else if (!json.contains("content") || !json.at("content").is_string()) {
    return no_answer("the answer has no content");
  } else {
    answer.text = text_at(json, "content");
    answer.ids = ids_of(json);
  }
  return answer;
}

std::optional<double> find_gap(std::string_view body, std::size_t token) {
  const auto json = parse_json<Json>(body);
  const auto place = Json::json_pointer(fmt::format("/completion_probabilities/{}/top_logprobs", token));
  if (!json.ok() || !json.value().contains(place)) {
    return std::nullopt;
  }
  const auto& best = json.value().at(place);
  const auto has_number = [](const Json& candidate) {
    return candidate.is_object() && candidate.contains("logprob") && candidate.at("logprob").is_number();
  };
  if (!best.is_array() || best.size() < 2 || !has_number(best[0]) || !has_number(best[1])) {
    return std::nullopt;
  }
  return std::max(0.0, number_at(best[0], "logprob") - number_at(best[1], "logprob"));
}

Quartiles quartiles_of(std::vector<double> values) {
  std::ranges::sort(values);
  const auto at = [&](double part) {
    const auto place = part * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const auto above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  return {at(0.25), at(0.5), at(0.75)};
}

ModelResult add_up(std::span<const BenchRun> runs) {
  ModelResult result;
  std::vector<const BenchRun*> without;
  for (const auto& run : runs) {
    if (run.depth == 0U) {
      without.push_back(&run);
    }
  }
  const auto baseline = find_baseline(without);
  result.has_baseline = !without.empty();
  result.noise = baseline.noise;
  auto speeds = baseline.speeds;
  std::erase(speeds, 0);
  result.baseline_tokens_per_second = median_of(speeds);
  for (const auto& run : runs) {
    if (run.depth == 0U) {
      continue;
    }
    auto& added = result.depths.emplace_back(add_up_depth(run, baseline));
    for (std::size_t prompt = 0; !without.empty() && prompt < run.answers.size(); ++prompt) {
      if (auto difference = find_difference(without.front()->answers[prompt], run.answers[prompt])) {
        difference->prompt = prompt;
        difference->depth = run.depth;
        added.prompts_of_other_text.push_back(prompt);
        result.differences.push_back(*difference);
      }
    }
  }
  return result;
}

std::optional<std::size_t> find_best_depth(const ModelResult& result) {
  const auto* fastest = find_fastest(result);
  return fastest != nullptr && fastest->speedup->median > 1
             ? std::optional(static_cast<std::size_t>(fastest - result.depths.data()))
             : std::nullopt;
}

BenchVerdict judge_bench(const BenchResult& result, const BenchGoals& goals) {
  BenchVerdict verdict;
  const auto add = [&](const ModelResult& model, std::string problem) {
    verdict.problems.push_back(fmt::format("{}: {}", model.model, problem));
  };
  for (const auto& model : result.models) {
    for (const auto& depth : model.depths) {
      const auto where = depth.depth ? fmt::format(" at depth {}", *depth.depth) : "";
      const auto acceptance = depth.acceptance.value_or(0);
      if (acceptance < kDeadAcceptance) {
        add(model,
            depth.drafted == 0
                ? fmt::format("nothing was drafted{}: the server was not told to, or does not draft with this", where)
                : fmt::format(
                      "acceptance {:.3f}{}: the head is a wrong or a dead one; see whose head it is, and whether "
                      "its values are whole",
                      acceptance, where));
      } else if (acceptance < goals.acceptance_min.value_or(0)) {
        add(model,
            fmt::format("acceptance {:.3f}{}, and {:.3f} are asked for", acceptance, where, *goals.acceptance_min));
      }
      if (goals.same_text && !depth.prompts_of_other_text.empty()) {
        add(model,
            fmt::format("{} of the texts{} are not those without drafting", depth.prompts_of_other_text.size(), where));
      }
    }
    if (goals.speedup_min) {
      const auto* fastest = find_fastest(model);
      const auto asked = fmt::format("and {:.2f} are asked for", *goals.speedup_min);
      if (fastest == nullptr) {
        add(model, fmt::format("no speed-up that can be told, {}", asked));
      } else if (fastest->speedup->median < *goals.speedup_min) {
        add(model, fmt::format("speed-up {:.2f}, {}", fastest->speedup->median, asked));
      }
    }
  }
  return verdict;
}

}  // namespace mtpgraft
