#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {
namespace {

struct ExtractCommand {
  ExtractRequest request;
  WriteOptions write;
};

Result<int> run_extract(const ExtractCommand& options, const OutputOptions& output, FileSystem& files) {
  auto request = options.request;
  MTPGRAFT_TRY(request.output, make_output_request(options.write));
  const auto context = make_context(files, output, {{Phase::kWrite, "extract"}});
  const auto& donor = request.donor.path;
  set_phase_paths({{Phase::kPlan, donor}, {Phase::kFetch, donor}, {Phase::kReadHead, donor}});
  MTPGRAFT_TRY(auto job, prepare_extract(request, context));
  MTPGRAFT_TRY(const auto obstacle, check_and_write(job, options.write, output, context));
  MTPGRAFT_CHECK(print_answer(
      output, [&] { return report::extract_to_json(request, job); },
      [&] { return report::describe_extract(request, job, shows_details(options.write)); }, Quiet::kOmits,
      report::describe_completion(job.output)));
  return exit_code(obstacle);
}

}  // namespace

void add_extract(CLI::App& app, Program& program) {
  const auto options = std::make_shared<ExtractCommand>();
  auto& request = options->request;
  auto* command =
      add_command(app, program, "extract", "Write the MTP head of DONOR to a file of its own", options, run_extract);
  command->add_option("DONOR", request.donor.path, "What has the head, as for graft")
      ->required()
      ->type_name(kDonorFiles);
  add_write_options(
      *command, options->write,
      "Output file (default: Base-MTP-Q8_0.gguf gives mtp-Base-Q8_0.gguf); .safetensors: as a checkpoint has it",
      nullptr);
  command
      ->add_option("--for", request.target, "Number the head for this model, and take keys and shared tensors from it")
      ->option_text("TARGET")
      ->type_name(kModelFiles);
  auto* tensors_only = command->add_flag_callback(
      "--tensors-only", [&request] { request.form = ExtractForm::kTensorsOnly; },
      "Only the head's tensors: a small donor, not for -md");
  command
      ->add_flag_callback(
          "--no-shared-tensors", [&request] { request.form = ExtractForm::kSlimSidecar; },
          "A sidecar that borrows the target's tensors, where a runtime reads that (qwen4exp)")
      ->excludes(tensors_only);
  add_donor_options(*command, request.donor);
  command->add_flag("-v,--verbose", options->write.verbose,
                    "Print every tensor of the head, and how each range was copied");
  command->footer(
      "Examples:\n"
      "  mtpgraft extract Base-MTP-Q8_0.gguf                              # writes mtp-Base-Q8_0.gguf\n"
      "  mtpgraft extract Base-MTP-Q8_0.gguf --for Model-Q4_K_M.gguf      # writes mtp-Model-Q8_0.gguf\n"
      "  mtpgraft extract hf://Qwen/Qwen3.5-9B --for Model-Q4_K_M.gguf    # writes mtp-Model-BF16.gguf\n"
      "  mtpgraft extract Model-MTP-BF16.gguf -o mtp.safetensors          # as the checkpoint has it\n"
      "The files are for llama-server -md, and donors; llama.cpp's -hf and others look for names that begin with "
      "mtp-.\n");
}

}  // namespace mtpgraft::cli
