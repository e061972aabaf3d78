#include <fmt/core.h>

#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "mtpgraft/bench.h"
#include "mtpgraft/text_file.h"
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

struct ReleaseOptions {
  ReleaseRequest request;
  std::string bench;
};

// What real answers do not come near.
constexpr std::uint64_t kBenchBytesMax = std::uint64_t{64} << 20;

Result<report::BenchCards> read_cards(const std::string& path, FileSystem& files) {
  if (path.empty()) {
    return report::BenchCards();
  }
  MTPGRAFT_TRY(const auto file, files.open(path));
  MTPGRAFT_TRY(const auto text, read_text(*file, kBenchBytesMax));
  auto cards = parse_bench_cards(text);
  if (!cards.ok()) {
    cards.error().path = path;
    cards.error().hint = "'mtpgraft bench --json MODEL... > bench.json' writes such a file";
  }
  return cards;
}

void warn_of_grafts_without(const report::BenchCards& cards, const std::string& path, const ReleaseReport& report) {
  for (const auto& graft : report.grafts) {
    if (report::card_of(graft, cards).empty()) {
      log_warning({"not-measured", fmt::format("{}: nothing was measured of {}", path, graft.output)});
    }
  }
}

Result<int> run_release(const ReleaseOptions& options, const OutputOptions& output, FileSystem& files) {
  const auto& request = options.request;
  MTPGRAFT_TRY(const auto cards, read_cards(options.bench, files));
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
  if (!options.bench.empty() && report.problems.empty()) {
    warn_of_grafts_without(cards, options.bench, report);
  }
  MTPGRAFT_CHECK(print_answer(
      output, [&] { return report::release_to_json(report, cards); },
      [&] { return request.dry_run ? report::describe_release_plan(report) : report::describe_release(report, cards); },
      Quiet::kOmits, report.wrote && report.problems.empty() ? "all outputs and lists are complete" : ""));
  return report.problems.empty() ? 0 : exit_code(report.problems.front().code);
}

}  // namespace

void add_release(CLI::App& app, Program& program) {
  const auto options = std::make_shared<ReleaseOptions>();
  auto& request = options->request;
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
  command
      ->add_option("--bench", options->bench,
                   "Put what 'mtpgraft bench --json' measured of the outputs into the table's text")
      ->option_text("FILE")
      ->type_name(kPlanFiles);
  command->add_option("--ggml", request.ggml_path, "The ggml of all head_types that need one; a plan alone names none")
      ->option_text("PATH")
      ->type_name(kAnyFiles);
  command->footer(
      "Examples:\n"
      "  mtpgraft release --dry-run PLAN.json\n"
      "  mtpgraft release PLAN.json > card.new && mv card.new card.md\n"
      "  mtpgraft bench out/*-MTP-*.gguf --json -- -ngl 99 > bench.json && mtpgraft release PLAN.json --bench "
      "bench.json\n"
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
