#include <fmt/core.h>

#include "mtpgraft/bench.h"
#include "util/json.h"

namespace mtpgraft {

std::vector<BenchPrompt> built_in_prompts() {
  return {
      {"C++",
       "// A thread-safe queue with a bounded number of elements.\n#pragma once\n\n#include <condition_variable>\n"
       "#include <deque>\n#include <mutex>\n\ntemplate <class T>\nclass BoundedQueue {\n public:\n"},
      {"Python",
       "import json\nfrom pathlib import Path\n\n\ndef load_config(path: Path) -> dict:\n    \"\"\"Reads a "
       "configuration file and fills in defaults.\"\"\"\n"},
      {"JavaScript",
       "// Groups items by a key and counts them.\nexport function countBy(items, keyOf) {\n  const counts "
       "= new Map();\n  for (const item of items) {\n"},
      {"SQL",
       "-- Customers who ordered in each month of last year, with their totals.\nWITH monthly_orders AS (\n  "
       "SELECT customer_id, date_trunc('month', ordered_at) AS month,\n"},
      {"JSON",
       "{\n  \"openapi\": \"3.1.0\",\n  \"info\": {\"title\": \"Library\", \"version\": \"1.0.0\"},\n  "
       "\"paths\": {\n    \"/books\": {\n      \"get\": {\n        \"summary\":"},
      {"essay",
       "The history of bread begins long before the first ovens were built. People ground wild grain between "
       "stones, mixed it with water and"},
      {"explanation", "Question: Why does the moon look larger when it is near the horizon?\nAnswer:"},
      {"steps",
       "How to plant a tomato seedling so that it grows strong roots:\n\n1. Choose a place with at least six "
       "hours of sun.\n2."},
      {"dialogue",
       "\"You are late again,\" said the keeper of the lighthouse, without looking up from his book.\n\n"
       "\"The road was flooded,\" answered Mara,"},
  };
}

Result<std::vector<BenchPrompt>> parse_bench_prompts(std::string_view json) {
  MTPGRAFT_TRY(const auto texts, parse_json<nlohmann::json>(json));
  std::vector<BenchPrompt> prompts;
  if (!texts.is_array() || texts.empty()) {
    return Error{.code = ErrorCode::kMalformed, .message = "is no JSON array of texts"};
  }
  for (const auto& text : texts) {
    const auto number = prompts.size() + 1;
    if (!text.is_string() || text.get_ref<const std::string&>().empty()) {
      return Error{.code = ErrorCode::kMalformed,
                   .message = fmt::format("element {} is no text, or an empty one", number)};
    }
    prompts.push_back({fmt::format("prompt {}", number), text.get<std::string>()});
  }
  return prompts;
}

}  // namespace mtpgraft
