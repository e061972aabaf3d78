#include "cli/commands.h"
#include "cli/output.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {

Result<int> run_cache(const CacheOptions& options, const OutputOptions& output) {
  report::CacheReport report{default_cache_directory(), {}, {}};
  if (report.directory.empty()) {
    return Error{ErrorCode::kUsage,
                 "there is no cache: neither XDG_CACHE_HOME nor HOME is set",
                 {},
                 {},
                 "set XDG_CACHE_HOME to the directory that the cache is in"};
  }
  if (options.clear) {
    MTPGRAFT_TRY(report.freed_bytes, clear_cache(report.directory));
  }
  MTPGRAFT_TRY(report.entries, list_cache(report.directory));
  if (output.json) {
    MTPGRAFT_CHECK(print_answer(report::cache_to_json(report) + '\n'));
  } else if (!options.clear || !output.quiet) {
    MTPGRAFT_CHECK(print_answer(report::describe_cache(report)));
  }
  return 0;
}

}  // namespace mtpgraft::cli
