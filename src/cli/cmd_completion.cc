#include "cli/options.h"
#include "cli/output.h"

namespace mtpgraft::cli {
namespace {

constexpr Names<report::Shell, 3> kShellNames{
    {{"bash", report::Shell::kBash}, {"fish", report::Shell::kFish}, {"zsh", report::Shell::kZsh}}};

struct CompletionOptions {
  const CLI::App& app;
  report::Shell shell = report::Shell::kBash;
};

Result<int> run_completion(const CompletionOptions& options, const OutputOptions& /*output*/, FileSystem& /*files*/) {
  MTPGRAFT_CHECK(print_text(completion_script(options.app, options.shell)));
  return 0;
}

}  // namespace

void add_completion(CLI::App& app, Program& program) {
  const auto options = std::make_shared<CompletionOptions>(CompletionOptions{app});
  auto* command = add_command(app, program, "completion", "Print the script with which a shell completes mtpgraft",
                              options, run_completion);
  add_choice(*command, "SHELL", "bash, zsh or fish", kShellNames, options->shell)->required();
  command->footer(
      "Examples:\n"
      "  source <(mtpgraft completion bash)                            # in ~/.bashrc\n"
      "  mtpgraft completion zsh > DIRECTORY/_mtpgraft                 # one of $fpath\n"
      "  mtpgraft completion fish > ~/.config/fish/completions/mtpgraft.fish\n"
      "The scripts are installed with the program; these are for a program that was only copied.\n");
}

}  // namespace mtpgraft::cli
