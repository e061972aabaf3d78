#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {
namespace {

Result<std::string> choose_output(const StripCommandOptions& options) {
  MTPGRAFT_CHECK(check_names(options.write));
  if (!options.write.in_place && !options.write.output) {
    return Error{ErrorCode::kUsage, "strip needs -o FILE, or --in-place", {}, {}, "mtpgraft strip --help"};
  }
  return options.write.in_place ? options.file : *options.write.output;
}

// Whether the plan restores the file that the record tells of; warns where it should and does not.
Result<bool> restores_original(const StripPlan& plan, const ReadableFile& file, std::vector<Warning>& warnings) {
  if (!plan.original || plan.original->size != plan.output_size) {
    return false;
  }
  MTPGRAFT_TRY(const auto digest, digest_planned_header(plan, file));
  if (plan.original->header_digest && digest != *plan.original->header_digest) {
    warnings.push_back(
        {"header-differs", fmt::format("the header is not that of the original '{}': keys were changed after the graft",
                                       plan.original->file)});
  }
  return digest == plan.original->header_digest;
}

}  // namespace

Result<int> run_strip(const StripCommandOptions& options, const OutputOptions& output, FileSystem& files) {
  report::StripReport report;
  report.path = options.file;
  MTPGRAFT_TRY(report.writing.path, choose_output(options));
  Sources sources;
  MTPGRAFT_TRY(sources.target, options.write.in_place ? files.open_to_change(options.file) : files.open(options.file));
  sources.donor = sources.target;
  MTPGRAFT_TRY(const auto gguf, parse_gguf(*sources.target));
  report.file = summarise(gguf);
  MTPGRAFT_TRY(report.plan, make_strip_plan(gguf, {.keep_size = options.write.in_place}));
  report.warnings = report.plan.warnings;
  MTPGRAFT_TRY(report.restores_original, restores_original(report.plan, *sources.target, report.warnings));
  auto obstacle = check_writing(report.plan, sources, options.write, files, report.writing);
  if (!options.write.dry_run || output.json) {
    MTPGRAFT_CHECK(obstacle);
  }
  for (const auto& warning : report.warnings) {
    log_warning(warning.message);
  }
  if (!options.write.dry_run) {
    MTPGRAFT_CHECK(write_plan("strip", report.plan, std::move(sources), options.write, output, files, report.writing));
  }
  if (output.json) {
    MTPGRAFT_CHECK(print_answer(report::strip_to_json(report) + '\n'));
  } else if (!output.quiet) {
    MTPGRAFT_CHECK(print_answer(report::describe_strip(report, options.write.dry_run || options.verbose)));
  }
  MTPGRAFT_CHECK(std::move(obstacle));
  return 0;
}

}  // namespace mtpgraft::cli
