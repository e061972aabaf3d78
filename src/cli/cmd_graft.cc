#include <fmt/core.h>

#include <array>
#include <chrono>
#include <filesystem>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "mtpgraft/execute.h"
#include "report/json.h"
#include "report/text.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

// llama.cpp's -hf takes a file with this in its name for a sidecar.
void warn_of_name(const std::string& path, std::vector<Warning>& warnings) {
  if (file_name(path).find("mtp-") != std::string::npos) {
    warnings.push_back(
        {"name-ignored",
         fmt::format("'{}' contains 'mtp-' in lower case: llama.cpp's -hf takes such files for sidecars and "
                     "does not list them as models",
                     file_name(path))});
  }
}

// What the output takes on disk: holes of a sparse target stay holes.
std::uint64_t needed_bytes(const Plan& plan, const ReadableFile& target) {
  const auto hole_bytes = target.size() - std::min(target.size(), target.stored_bytes());
  return plan.output_size - std::min(plan.output_size, hole_bytes);
}

Status check_space(const report::GraftReport& report) {
  if (report.needed_bytes > report.free_bytes) {
    return Error{
        ErrorCode::kIo,
        fmt::format("no space: {} needed, {} free", format_bytes(report.needed_bytes), format_bytes(report.free_bytes)),
        report.output_path,
        {},
        "free some space, or write to another disk with -o"};
  }
  return ok_status();
}

Result<std::string> choose_output(const GraftCommandOptions& options) {
  const auto usage = [](std::string message) {
    return Error{ErrorCode::kUsage, std::move(message), {}, {}, "give the output a name with -o"};
  };
  if (options.output == "") {
    return usage("the name after -o is empty");
  }
  if (options.output == "-") {
    return usage("a graft cannot go to stdout");
  }
  if (options.output) {
    return *options.output;
  }
  auto path = default_output_path(options.target);
  if (path == options.target) {
    return usage(fmt::format("'{}' has MTP in its name already", options.target));
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

}  // namespace

Result<int> run_graft(const GraftCommandOptions& options, const OutputOptions& output, FileSystem& files) {
  const auto start = Clock::now();
  const auto overwrite = options.force ? Overwrite::kYes : Overwrite::kNo;
  report::GraftReport report;
  report.target_path = options.target;
  report.donor_path = options.donor;
  MTPGRAFT_TRY(report.output_path, choose_output(options));

  MTPGRAFT_TRY(const auto target_file, files.open(options.target));
  MTPGRAFT_TRY(const auto donor_file, files.open(options.donor));
  MTPGRAFT_TRY(const auto target, parse_gguf(*target_file));
  MTPGRAFT_TRY(const auto donor, parse_gguf(*donor_file));
  report.target = summarise(target);
  report.donor = summarise(donor);

  GraftOptions graft{.replace = options.replace, .labels = {}};
  if (!options.no_record) {
    graft.labels = RecordLabels{"mtpgraft " MTPGRAFT_VERSION, file_name(options.target), file_name(options.donor)};
  }
  const auto make_plan = [&](DigestHead digest) -> Result<Plan> {
    MTPGRAFT_TRY(const auto head_data, read_head_data(*donor_file, donor, digest,
                                                      make_progress("read head", report.donor.head.bytes, output)));
    return make_graft_plan(target, donor, head_data, graft);
  };
  // Without the digest first: what does not fit is refused before gigabytes are read.
  MTPGRAFT_TRY(report.plan, make_plan(DigestHead::kNo));
  report.warnings = report.plan.warnings;
  warn_of_name(report.output_path, report.warnings);
  if (options.strict && !report.warnings.empty()) {
    return refuse_warnings(report);
  }
  report.needed_bytes = needed_bytes(report.plan, *target_file);
  const auto inputs = std::to_array<const ReadableFile*>({target_file.get(), donor_file.get()});
  auto obstacle = files.check_output(report.output_path, inputs, overwrite);
  if (obstacle.ok()) {
    MTPGRAFT_TRY(report.free_bytes, files.free_bytes(report.output_path));
    obstacle = check_space(report);
  }
  // A dry run ends as the real one would, but shows the plan first.
  if (!options.dry_run || output.json) {
    MTPGRAFT_CHECK(obstacle);
  }
  for (const auto& warning : report.warnings) {
    log_warning(warning.message);
  }

  if (!options.dry_run) {
    if (graft.labels) {
      MTPGRAFT_TRY(report.plan, make_plan(DigestHead::kYes));
    }
    MTPGRAFT_TRY(const auto staged, files.stage(report.output_path, report.plan.output_size));
    MTPGRAFT_CHECK(execute_plan(report.plan, *target_file, *donor_file, *staged,
                                make_progress("graft", report.plan.output_size, output)));
    MTPGRAFT_CHECK(staged->commit(overwrite, options.no_sync ? Durability::kNoSync : Durability::kSync));
    report.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  if (output.json) {
    MTPGRAFT_CHECK(print_answer(report::graft_to_json(report) + '\n'));
  } else if (!output.quiet) {
    MTPGRAFT_CHECK(print_answer(report::describe_graft(report, options.dry_run || options.verbose)));
  }
  MTPGRAFT_CHECK(std::move(obstacle));
  return 0;
}

}  // namespace mtpgraft::cli
