#include "cli/options.h"
#include "cli/output.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {
namespace {

struct RecoverOptions {
  std::string target;
};

Result<int> run_recover(const RecoverOptions& options, const OutputOptions& output, FileSystem& files) {
  MTPGRAFT_TRY(const auto recovery, files.recover(options.target));
  const auto outcome = report::describe_recovery(options.target, recovery);
  MTPGRAFT_CHECK(print_answer(
      output, [&] { return report::recovery_to_json(options.target, recovery); }, [&] { return outcome + '\n'; },
      Quiet::kOmits, recovery == Recovery::kNothingToDo ? "" : outcome));
  return 0;
}

}  // namespace

void add_recover(CLI::App& app, Program& program) {
  const auto options = std::make_shared<RecoverOptions>();
  auto* command = add_command(app, program, "recover", "Undo, or finish, a graft --in-place that was interrupted",
                              options, run_recover);
  command->add_option("TARGET", options->target, "The file that was to be changed in place")
      ->required()
      ->type_name(kModelFiles);
  command->footer(
      "Example:\n"
      "  mtpgraft recover Model-Q4_K_M.gguf\n"
      "The file is then byte for byte what it was; or the graft, if that was complete but for its journal.\n");
}

}  // namespace mtpgraft::cli
