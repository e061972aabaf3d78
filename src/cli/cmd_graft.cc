#include <fmt/core.h>

#include <chrono>
#include <filesystem>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {
namespace {

using Clock = std::chrono::steady_clock;

// llama.cpp's -hf takes a file with this in its name for a sidecar.
void warn_of_name(const std::string& path, std::vector<Warning>& warnings) {
  if (base_name(path).find("mtp-") != std::string::npos) {
    warnings.push_back(
        {"name-ignored",
         fmt::format("'{}' contains 'mtp-' in lower case: llama.cpp's -hf takes such files for sidecars and "
                     "does not list them as models",
                     base_name(path))});
  }
}

Result<std::string> choose_output(const GraftCommandOptions& options) {
  MTPGRAFT_CHECK(check_names(options.write));
  if (options.write.in_place) {
    return options.target;
  }
  if (options.write.output) {
    return *options.write.output;
  }
  auto path = default_output_path(options.target);
  if (path == options.target) {
    return Error{ErrorCode::kUsage,
                 fmt::format("'{}' has MTP in its name already", options.target),
                 {},
                 {},
                 "give the output a name with -o"};
  }
  return path;
}

Error refuse_warnings(const report::GraftReport& report) {
  Error error{ErrorCode::kIncompatible, "--strict refuses what is otherwise warned about"};
  for (const auto& warning : report.warnings) {
    error.details.push_back(warning.message);
  }
  return error;
}

// The files of a graft, and what was read of them.
struct Inputs {
  std::shared_ptr<const ReadableFile> target_file;
  GgufFile target;
  DonorInput donor;
};

Result<Inputs> open_inputs(const GraftCommandOptions& options, FileSystem& files) {
  if (options.write.in_place && is_same_path(options.target, options.donor.path)) {
    return Error{ErrorCode::kRefused, "is target and donor", options.donor.path, {}, "name the file that has the head"};
  }
  Inputs inputs;
  MTPGRAFT_TRY(inputs.target_file,
               options.write.in_place ? files.open_to_change(options.target) : files.open(options.target));
  MTPGRAFT_TRY(inputs.target, parse_gguf(*inputs.target_file));
  MTPGRAFT_TRY(inputs.donor, open_donor(options.donor, inputs.target.architecture(), files));
  return inputs;
}

}  // namespace

Result<int> run_graft(const GraftCommandOptions& options, const OutputOptions& output, FileSystem& files) {
  const auto start = Clock::now();
  report::GraftReport report;
  report.target_path = options.target;
  report.donor_path = options.donor.path;
  MTPGRAFT_TRY(report.writing.path, choose_output(options));
  MTPGRAFT_TRY(auto inputs, open_inputs(options, files));
  report.target = summarise(inputs.target);
  report.donor = summarise(inputs.donor.gguf);
  report.donor_notes = inputs.donor.notes;

  GraftOptions graft{.replace = options.replace, .labels = {}};
  if (!options.no_record) {
    graft.labels = inputs.donor.labels;
    graft.labels->target_file = base_name(options.target);
  }
  graft.edits = options.edits;
  if (options.yarn_factor != 0) {
    MTPGRAFT_TRY(const auto yarn, make_yarn_edits(inputs.target, options.yarn_factor));
    // Before the others, which may say it better.
    graft.edits.insert(graft.edits.begin(), yarn.begin(), yarn.end());
  }
  MTPGRAFT_TRY(graft.target_header, digest_header(*inputs.target_file, inputs.target));
  const auto make_plan = [&](DigestHead digest) -> Result<Plan> {
    MTPGRAFT_TRY(const auto head_data, read_head_data(*inputs.donor.file, inputs.donor.gguf, digest,
                                                      make_progress("read head", report.donor.head.bytes, output)));
    return make_graft_plan(inputs.target, inputs.donor.gguf, head_data, graft);
  };
  // Without the digest first: what does not fit is refused before gigabytes are read.
  MTPGRAFT_TRY(report.plan, make_plan(DigestHead::kNo));
  report.warnings = report.plan.warnings;
  report.warnings.insert(report.warnings.end(), inputs.donor.warnings.begin(), inputs.donor.warnings.end());
  warn_of_name(report.writing.path, report.warnings);
  if (options.strict && !report.warnings.empty()) {
    return refuse_warnings(report);
  }
  auto obstacle =
      check_writing(report.plan, {inputs.target_file, inputs.donor.file}, options.write, files, report.writing);
  // A dry run ends as the real one would, but shows the plan first.
  if (!options.write.dry_run || output.json) {
    MTPGRAFT_CHECK(obstacle);
  }
  for (const auto& warning : report.warnings) {
    log_warning(warning.message);
  }

  if (!options.write.dry_run) {
    if (graft.labels) {
      MTPGRAFT_TRY(report.plan, make_plan(DigestHead::kYes));
    }
    MTPGRAFT_CHECK(write_plan("graft", report.plan, {std::move(inputs.target_file), inputs.donor.file}, options.write,
                              output, files, report.writing));
    report.writing.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  if (output.json) {
    MTPGRAFT_CHECK(print_answer(report::graft_to_json(report) + '\n'));
  } else if (!output.quiet) {
    MTPGRAFT_CHECK(print_answer(report::describe_graft(report, options.write.dry_run || options.verbose)));
  }
  MTPGRAFT_CHECK(std::move(obstacle));
  return 0;
}

}  // namespace mtpgraft::cli
