#include <fmt/core.h>

#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/release.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

void tell_finished(const ReleasedGraft& graft) {
  if (graft.state == ReleaseState::kSkipped) {
    log_note(fmt::format("{}: skipped: all {} are there as planned", graft.output, format_bytes(graft.bytes())));
  } else if (graft.state == ReleaseState::kWritten) {
    log_note(fmt::format("{}: written, {}", graft.output, format_bytes(graft.bytes())));
  }
}

int print_problems(const ReleaseReport& report) {
  for (const auto& problem : report.problems) {
    log_error(problem, report::Front::kPlan);
  }
  log_problem(fmt::format("{} {}; {}", report.problems.size(), report.problems.size() == 1 ? "problem" : "problems",
                          report.wrote ? "the lists were not written; run it again to go on" : "nothing was written"));
  return exit_code(report.problems.front().code);
}

Result<int> run_release(const ReleaseRequest& request, const OutputOptions& output, FileSystem& files) {
  const auto context =
      make_context(files, output, {{Phase::kVerify, "compare"}, {Phase::kWrite, "graft"}, {Phase::kCheck, ""}});
  ReleaseObserver observer{.warn = log_warning, .begun = set_graft, .finished = {}};
  if (!output.json) {
    observer.finished = tell_finished;
  }
  MTPGRAFT_TRY(const auto report, release(request, context, observer));
  if (!report.problems.empty() && !output.json) {
    return print_problems(report);
  }
  MTPGRAFT_CHECK(print_answer(
      output, [&] { return report::release_to_json(report); },
      [&] { return request.dry_run ? report::describe_release_plan(report) : report::describe_release(report); },
      Quiet::kOmits, report.wrote && report.problems.empty() ? "all outputs and lists are complete" : ""));
  return report.problems.empty() ? 0 : exit_code(report.problems.front().code);
}

}  // namespace

void add_release(CLI::App& app, Program& program) {
  const auto options = std::make_shared<ReleaseRequest>();
  auto& request = *options;
  auto* command =
      add_command(app, program, "release", "Make all the grafts that a plan lists, and lists of their checksums",
                  options, run_release);
  command->add_option("PLAN", request.plan, "A JSON file: targets, donors, options (docs/releases.md)")
      ->required()
      ->type_name(kPlanFiles);
  command->add_flag("-n,--dry-run", request.dry_run, "Check and print the plan, write nothing");
  command->add_option("-j,--jobs", request.jobs, "Grafts that are written at once (default: 1)")
      ->option_text("N")
      ->check(CLI::Range(1, 64));
  command->add_flag_callback(
      "-f,--force", [&request] { request.overwrite = Overwrite::kYes; },
      "Replace outputs and lists that are not what the plan makes");
  command->add_flag_callback(
      "--no-sync", [&request] { request.durability = Durability::kNoSync; },
      "Do not wait until the outputs are on the disk");
  command->add_option("--ggml", request.ggml_path, "The ggml of all head_types that need one; a plan alone names none")
      ->option_text("PATH")
      ->type_name(kAnyFiles);
  command->footer(
      "Examples:\n"
      "  mtpgraft release --dry-run PLAN.json\n"
      "  mtpgraft release PLAN.json > card.new && mv card.new card.md\n"
      "Run again, as after an interrupt, it compares what is there, and keeps it.\n"
      "A plan:\n"
      R"(  {"schema_version": 1, "output_directory": "out", "defaults": {"options": {"strict": true}},)"
      "\n"
      R"(   "grafts": [{"target": "*-Q6_K.gguf", "donor": "mtp-*-BF16.gguf"},)"
      "\n"
      R"(              {"target": "*-Q4_K_M.gguf", "donor": "hf://OWNER/Base", "options": {"head_type": "q8_0"}},)"
      "\n"
      R"(              {"target": "*-Q5_K_M.gguf", "donor": "from-base", "options": {"source_digests": true}}]})"
      "\nA donor is what 'graft' takes as DONOR; \"from-base\" stands for its --from-base. Options are those of "
      "'graft',\n"
      "with underscores: head_type, replace, strict, source_digests, set_file, ... (docs/releases.md has all).\n"
      "Of several problems the exit code is that of the worst: 4 before 3 before 5.\n");
}

}  // namespace mtpgraft::cli
