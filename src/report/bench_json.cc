#include "report/bench.h"
#include "report/json_parts.h"

namespace mtpgraft::report {
namespace {

Json speedup_json(const std::optional<Quartiles>& speedup) {
  return speedup ? Json{{"median", speedup->median}, {"lower", speedup->lower}, {"upper", speedup->upper}} : Json();
}

Json depth_json(const DepthResult& depth, bool has_texts) {
  return {
      {"depth", optional_json(depth.depth)},
      {"drafted", depth.drafted},
      {"accepted", depth.accepted},
      {"acceptance", optional_json(depth.acceptance)},
      {"acceptance_by_position", depth.acceptance_by_position.empty() ? Json() : Json(depth.acceptance_by_position)},
      {"tokens_per_step", optional_json(depth.tokens_per_step)},
      {"tokens_per_second", depth.tokens_per_second > 0 ? Json(depth.tokens_per_second) : Json()},
      {"speedup", speedup_json(depth.speedup)},
      {"speedup_doubt", text_or_null(depth.speedup_doubt)},
      {"texts_that_differ", has_texts ? Json(depth.prompts_of_other_text.size()) : Json()}};
}

Json model_json(const Bench& bench, const BenchResult& result, const ModelResult& model) {
  const auto& request = bench.request;
  const bool has_texts = model.has_baseline && request.sampling.temperature.value_or(0) <= 0;
  Json depths = Json::array();
  for (const auto& depth : model.depths) {
    depths.push_back(depth_json(depth, has_texts));
  }
  Json differences = Json::array();
  for (const auto& difference : model.differences) {
    differences.push_back({{"prompt", request.prompts[difference.prompt].kind},
                           {"depth", optional_json(difference.depth)},
                           {"offset", difference.offset},
                           {"gap", optional_json(difference.gap)}});
  }
  const auto best = find_best_depth(model);
  return {{"model", model.model},
          {"server_build", text_or_null(model.server_build)},
          {"baseline_tokens_per_second",
           model.baseline_tokens_per_second > 0 ? Json(model.baseline_tokens_per_second) : Json()},
          {"noise", optional_json(model.noise)},
          {"depths", std::move(depths)},
          {"best_depth", best ? optional_json(model.depths[*best].depth) : Json()},
          {"text_differences", has_texts ? std::move(differences) : Json()},
          {"complete", model.is_complete},
          {"card", model.depths.empty() ? Json() : Json(model_card(bench, result, model))}};
}

Json settings_json(const Bench& bench) {
  const auto& request = bench.request;
  return {{"predict", request.predict},
          {"prompts", request.prompts.size()},
          {"temperature", request.sampling.temperature.value_or(0)},
          {"top_k", optional_json(request.sampling.top_k)},
          {"top_p", optional_json(request.sampling.top_p)},
          {"seed", request.sampling.seed},
          {"chat", request.chat},
          {"server", text_or_null(bench.server)},
          {"server_arguments", request.server_arguments},
          {"draft_arguments", request.url.empty() ? Json(request.draft_arguments) : Json()},
          {"model_draft", text_or_null(request.model_draft)},
          {"baseline", text_or_null(request.baseline)}};
}

}  // namespace

std::string bench_to_json(const Bench& bench, const BenchResult& result, const BenchVerdict& verdict) {
  Json models = Json::array();
  for (const auto& model : result.models) {
    models.push_back(model_json(bench, result, model));
  }
  auto json = envelope("bench", verdict.ok() && !result.error);
  json["result"] = {{"settings", settings_json(bench)},
                    {"devices", result.devices ? Json(*result.devices) : Json()},
                    {"models", std::move(models)},
                    {"problems", verdict.problems}};
  if (result.error) {
    json["error"] = error_json(*result.error);
  }
  return dump(json);
}

}  // namespace mtpgraft::report
