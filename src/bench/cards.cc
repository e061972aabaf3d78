#include <fmt/core.h>

#include "mtpgraft/bench.h"
#include "util/json.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

constexpr int kSchemaVersion = 1;

bool is_text(const nlohmann::json& object, const char* key) {
  return object.is_object() && object.contains(key) && object.at(key).is_string();
}

}  // namespace

Result<std::map<std::string, std::string>> parse_bench_cards(std::string_view json) {
  MTPGRAFT_TRY(const auto answer, parse_json<nlohmann::json>(json));
  const auto no_measurement = [](std::string_view what) {
    return Error{.code = ErrorCode::kMalformed, .message = fmt::format("is no measurement as JSON: {}", what)};
  };
  if (!is_text(answer, "command") || answer.at("command") != "bench" || !answer.contains("schema_version")) {
    return no_measurement(R"("command" is not "bench")");
  }
  if (answer.at("schema_version") != kSchemaVersion) {
    return Error{.code = ErrorCode::kUnsupported,
                 .message = fmt::format("schema_version {} is not known, only {}", answer.at("schema_version").dump(),
                                        kSchemaVersion)};
  }
  const auto result = answer.find("result");
  if (result == answer.end() || !result->is_object() || !result->contains("models") ||
      !result->at("models").is_array() || result->at("models").empty()) {
    return no_measurement("it has no models");
  }
  std::map<std::string, std::string> cards;
  for (const auto& model : result->at("models")) {
    if (!is_text(model, "model") || !model.contains("complete")) {
      return no_measurement("a model has no name");
    }
    const auto name = base_name(model.at("model").get<std::string>());
    if (model.at("complete") != true || !is_text(model, "card")) {
      continue;
    }
    if (!cards.emplace(name, model.at("card").get<std::string>()).second) {
      return Error{.code = ErrorCode::kIncompatible, .message = fmt::format("has two measurements of {}", name)};
    }
  }
  return cards;
}

}  // namespace mtpgraft
