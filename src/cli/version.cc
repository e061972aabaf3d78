#include "cli/version.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "cli/commit.h"
#include "mtpgraft/file.h"
#include "mtpgraft/remote.h"
#include "mtpgraft/version.h"

namespace mtpgraft::cli {
namespace {

constexpr auto kFeatures = std::to_array<std::string_view>({
#ifdef MTPGRAFT_XXHASH_DISPATCH
    "xxh128 (vectors chosen at run time)",
#else
    "xxh128",
#endif
    "sha256",
    "ggml (loaded at run time)",
});

}  // namespace

std::string version_text() {
  const auto http = http_library();
  auto features = file_system_features();
  features.insert(features.end(), kFeatures.begin(), kFeatures.end());
  return fmt::format("mtpgraft {} ({})\ncompiler   {}\nlibraries  {}\nfeatures   {}, {}", version(), MTPGRAFT_COMMIT,
                     MTPGRAFT_COMPILER, MTPGRAFT_LIBRARIES, fmt::join(features, ", "),
                     http.empty() ? "no http" : fmt::format("http ({}, loaded at run time)", http));
}

}  // namespace mtpgraft::cli
