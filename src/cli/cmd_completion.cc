#include "cli/commands.h"
#include "cli/output.h"

namespace mtpgraft::cli {

Result<int> run_completion(const CompletionOptions& options) {
  MTPGRAFT_CHECK(print_answer(options.script));
  return 0;
}

}  // namespace mtpgraft::cli
