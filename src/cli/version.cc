#include "cli/version.h"

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

report::BuildFacts build_facts() {
  auto features = file_system_features();
  features.insert(features.end(), kFeatures.begin(), kFeatures.end());
  features.emplace_back(has_http() ? "http (libcurl, loaded at run time)" : "no http");
  return {version(), MTPGRAFT_COMMIT, MTPGRAFT_COMPILER, MTPGRAFT_LIBRARIES, std::move(features)};
}

}  // namespace mtpgraft::cli
