#include "report/version.h"

#include <fmt/format.h>

#include "mtpgraft/remote.h"
#include "report/json_parts.h"

namespace mtpgraft::report {

std::string describe_version(const BuildFacts& facts) {
  return fmt::format("mtpgraft {} ({})\ncompiler   {}\nlibraries  {}\nfeatures   {}", facts.version, facts.commit,
                     facts.compiler, facts.libraries, fmt::join(facts.features, ", "));
}

std::string version_to_json(const BuildFacts& facts) {
  const auto http = http_library();
  auto json = envelope("version", true);
  json["result"] = {{"version", facts.version},   {"commit", facts.commit},
                    {"compiler", facts.compiler}, {"libraries", facts.libraries},
                    {"features", facts.features}, {"http_library", http.empty() ? Json(nullptr) : Json(http)}};
  return dump(json);
}

}  // namespace mtpgraft::report
