#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {
namespace {

struct StripCommand {
  StripRequest request;
  WriteOptions write;
};

Result<int> run_strip(const StripCommand& options, const OutputOptions& output, FileSystem& files) {
  auto request = options.request;
  MTPGRAFT_TRY(request.output, make_output_request(options.write));
  const auto context = make_context(files, output, {{Phase::kWrite, "strip"}});
  set_phase_paths({{Phase::kPlan, request.file}});
  MTPGRAFT_TRY(auto job, prepare_strip(request, context));
  MTPGRAFT_TRY(const auto obstacle, check_and_write(job, options.write, output, context));
  MTPGRAFT_CHECK(print_answer(
      output, [&] { return report::strip_to_json(request, job); },
      [&] { return report::describe_strip(request, job, shows_details(options.write)); }, Quiet::kOmits,
      report::describe_completion(job.output)));
  return exit_code(obstacle);
}

}  // namespace

void add_strip(CLI::App& app, Program& program) {
  const auto options = std::make_shared<StripCommand>();
  auto* command = add_command(app, program, "strip", "Take the MTP head out of a model", options, run_strip);
  command->add_option("FILE", options->request.file, "A model with a head, or one that declares a head it has not")
      ->required()
      ->type_name(kModelFiles);
  add_write_options(*command, options->write, "Output file", "Change FILE itself");
  command->add_flag("-v,--verbose", options->write.verbose, "Print every tensor that is taken out");
  command->parse_complete_callback([options] {
    if (!options->write.request.in_place && !options->write.output) {
      throw CLI::ParseError("strip needs -o FILE, or --in-place", CLI::ExitCodes::RequiredError);
    }
  });
  command->footer(
      "Examples:\n"
      "  mtpgraft strip Model-MTP-Q4_K_M.gguf -o Model-Q4_K_M.gguf    # of a graft: the original\n"
      "  mtpgraft strip --in-place Broken-Q4_K_M.gguf                 # missing tensor 'blk.32...': loads again\n");
}

}  // namespace mtpgraft::cli
