#include "cli/commands.h"
#include "cli/output.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {

Result<int> run_recover(const RecoverOptions& options, const OutputOptions& output, FileSystem& files) {
  MTPGRAFT_TRY(const auto recovery, files.recover(options.target));
  if (output.json) {
    MTPGRAFT_CHECK(print_answer(report::recovery_to_json(options.target, recovery) + '\n'));
  } else if (!output.quiet) {
    MTPGRAFT_CHECK(print_answer(report::describe_recovery(options.target, recovery)));
  }
  return 0;
}

}  // namespace mtpgraft::cli
