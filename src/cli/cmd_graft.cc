#include <fmt/core.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <span>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "mtpgraft/execute.h"
#include "mtpgraft/verify.h"
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

// Why the target's tensor data cannot be cloned into an output at `path`, as far as one block tells: it is tried with a
// file that is thrown away.
Result<std::optional<std::string>> find_clone_obstacle(const Plan& plan, const ReadableFile& target,
                                                       const std::string& path, FileSystem& files) {
  if (clonable_part(plan_body(plan)).length == 0) {
    return std::optional<std::string>("they are not at the same place of a disk block in both files, or too short");
  }
  MTPGRAFT_TRY(const auto probe, files.stage(path, kCloneBlockBytes));
  return probe->clone_from(target, {0, 0, kCloneBlockBytes});
}

InPlaceChange in_place_change(const Plan& plan) { return {plan_body(plan), plan.output_size}; }

// What the output takes on disk: neither what is cloned, nor holes of a sparse target, which stay holes.
std::uint64_t needed_bytes(const Plan& plan, const ReadableFile& target, bool clones) {
  if (clones) {
    return plan.output_size - clonable_part(plan_body(plan)).length;
  }
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
        report.in_place ? "free some space" : "free some space, or write to another disk with -o"};
  }
  return ok_status();
}

Result<std::string> choose_output(const GraftCommandOptions& options) {
  const auto usage = [](std::string message, std::string hint = "give the output a name with -o") {
    return Error{ErrorCode::kUsage, std::move(message), {}, {}, std::move(hint)};
  };
  if (options.checksums == "" || options.checksums == "-") {
    return usage("--checksums needs the name of a file", "for stdout: mtpgraft checksum OUTPUT");
  }
  if (options.in_place) {
    return options.target;
  }
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

// The files of a graft, and what was read of them.
struct Inputs {
  std::unique_ptr<ReadableFile> target_file;
  std::unique_ptr<ReadableFile> donor_file;
  GgufFile target;
  GgufFile donor;
};

// However the two are spelled; neither need exist.
bool is_same_path(const std::string& a, const std::string& b) {
  const auto plain = [](const std::string& path) {
    std::error_code ignored;
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
  };
  return plain(a) == plain(b);
}

Result<Inputs> open_inputs(const GraftCommandOptions& options, FileSystem& files) {
  if (options.in_place && is_same_path(options.target, options.donor)) {
    return Error{ErrorCode::kRefused, "is target and donor", options.donor, {}, "name the file that has the head"};
  }
  MTPGRAFT_TRY(auto target_file, options.in_place ? files.open_to_change(options.target) : files.open(options.target));
  MTPGRAFT_TRY(auto donor_file, files.open(options.donor));
  MTPGRAFT_TRY(auto target, parse_gguf(*target_file));
  MTPGRAFT_TRY(auto donor, parse_gguf(*donor_file));
  return Inputs{std::move(target_file), std::move(donor_file), std::move(target), std::move(donor)};
}

// What stands against writing the output; fills in how it will be written, and what space there is.
Status check_outputs(const GraftCommandOptions& options, const Inputs& inputs, FileSystem& files,
                     report::GraftReport& report) {
  const auto overwrite = options.force ? Overwrite::kYes : Overwrite::kNo;
  const auto& plan = report.plan;
  const auto& target = *inputs.target_file;
  const auto sources = std::to_array<const ReadableFile*>({inputs.target_file.get(), inputs.donor_file.get()});
  bool clones = false;
  // Here already, in case that the checks end early.
  report.needed_bytes = needed_bytes(plan, target, clones);
  auto free_bytes = files.free_bytes(report.output_path);
  report.free_bytes = free_bytes.ok() ? free_bytes.value() : 0;
  if (options.in_place) {
    MTPGRAFT_TRY(report.in_place, files.in_place_method(target, in_place_change(plan)));
    clones = report.in_place == InPlaceMethod::kClone;
  } else {
    MTPGRAFT_CHECK(files.check_output(report.output_path, sources, overwrite));
    if (options.copy == CopyMethod::kAuto || options.copy == CopyMethod::kClone) {
      MTPGRAFT_TRY(const auto obstacle, find_clone_obstacle(plan, target, report.output_path, files));
      if (obstacle && options.copy == CopyMethod::kClone) {
        return clone_refusal(options.target, *obstacle);
      }
      clones = !obstacle;
    }
  }
  if (options.checksums) {
    if (is_same_path(*options.checksums, report.output_path)) {
      return Error{ErrorCode::kRefused, "is the output too", *options.checksums, {}, "give the checksums another name"};
    }
    auto status = files.check_output(*options.checksums, sources, overwrite);
    if (!status.ok()) {
      status.error().hint = "give --checksums another name, or use --force if it is an old list";
      return status;
    }
  }
  if (report.in_place == InPlaceMethod::kInsert) {
    // The journal has the old and the new header.
    report.needed_bytes = plan.output_size - target.size() + 2 * (plan.data_offset + kCloneBlockBytes);
  } else {
    report.needed_bytes = needed_bytes(plan, target, clones);
  }
  MTPGRAFT_CHECK(std::move(free_bytes));
  return check_space(report);
}

void add_totals(report::GraftReport& report) {
  auto& totals = report.totals;
  std::uint64_t holes = 0;
  for (const auto& copy : report.copies) {
    totals.cloned += copy.cloned_bytes;
    totals.kept += copy.copied.kept;
    holes += copy.copied.holes;
  }
  totals.copied = report.plan.output_size - totals.cloned - totals.kept - holes;
}

Durability durability_of(const GraftCommandOptions& options) {
  return options.no_sync ? Durability::kNoSync : Durability::kSync;
}

Status write_checksums(const std::vector<Checksum>& checksums, const GraftCommandOptions& options, FileSystem& files) {
  const auto text = format_checksums(checksums);
  MTPGRAFT_TRY(const auto staged, files.stage(*options.checksums, text.size()));
  MTPGRAFT_CHECK(staged->write_at(0, std::as_bytes(std::span(text))));
  MTPGRAFT_CHECK(staged->commit(options.force ? Overwrite::kYes : Overwrite::kNo, durability_of(options)));
  return ok_status();
}

// Writes what the report's plan says, and completes the report.
Status write_graft(const GraftCommandOptions& options, const Inputs& inputs, ByteSink observe,
                   const OutputOptions& output, FileSystem& files, report::GraftReport& report) {
  const auto& plan = report.plan;
  const auto& target = *inputs.target_file;
  const auto method = report.in_place == InPlaceMethod::kInsert ? CopyMethod::kBuffered : options.copy;
  const ExecuteOptions how{method, std::move(observe)};
  MTPGRAFT_TRY(const auto staged, report.in_place
                                      ? files.stage_in_place(target, in_place_change(plan), *report.in_place)
                                      : files.stage(report.output_path, plan.output_size));
  MTPGRAFT_TRY(report.copies, execute_plan(plan, target, *inputs.donor_file, *staged, how,
                                           make_progress("graft", plan.output_size, output)));
  MTPGRAFT_TRY(
      report.totals.allocated,
      staged->commit(options.force || options.in_place ? Overwrite::kYes : Overwrite::kNo, durability_of(options)));
  add_totals(report);
  return ok_status();
}

// The same, and the output's checksums.
Status write_graft_and_checksums(const GraftCommandOptions& options, Inputs inputs, const OutputOptions& output,
                                 FileSystem& files, report::GraftReport& report) {
  if (report.in_place == InPlaceMethod::kInsert) {
    // The body does not come along; the file is read when it is done and no longer leased.
    MTPGRAFT_CHECK(write_graft(options, inputs, {}, output, files, report));
    inputs.target_file.reset();
    MTPGRAFT_TRY(const auto changed, files.open(report.output_path));
    MTPGRAFT_TRY(const auto gguf, parse_gguf(*changed));
    MTPGRAFT_TRY(const auto checksums,
                 compute_checksums(*changed, gguf, make_progress("checksum", changed->size(), output)));
    return write_checksums(checksums, options, files);
  }
  ChecksumCollector collector(report.plan);
  const auto observe = [&](std::span<const std::byte> bytes) { collector.observe(bytes); };
  MTPGRAFT_CHECK(write_graft(options, inputs, observe, output, files, report));
  return write_checksums(collector.finish(), options, files);
}

}  // namespace

Result<int> run_graft(const GraftCommandOptions& options, const OutputOptions& output, FileSystem& files) {
  const auto start = Clock::now();
  report::GraftReport report;
  report.target_path = options.target;
  report.donor_path = options.donor;
  MTPGRAFT_TRY(report.output_path, choose_output(options));
  MTPGRAFT_TRY(auto inputs, open_inputs(options, files));
  report.target = summarise(inputs.target);
  report.donor = summarise(inputs.donor);

  GraftOptions graft{.replace = options.replace, .labels = {}};
  if (!options.no_record) {
    graft.labels = RecordLabels{"mtpgraft " MTPGRAFT_VERSION, file_name(options.target), file_name(options.donor)};
  }
  const auto make_plan = [&](DigestHead digest) -> Result<Plan> {
    MTPGRAFT_TRY(const auto head_data, read_head_data(*inputs.donor_file, inputs.donor, digest,
                                                      make_progress("read head", report.donor.head.bytes, output)));
    return make_graft_plan(inputs.target, inputs.donor, head_data, graft);
  };
  // Without the digest first: what does not fit is refused before gigabytes are read.
  MTPGRAFT_TRY(report.plan, make_plan(DigestHead::kNo));
  report.warnings = report.plan.warnings;
  warn_of_name(report.output_path, report.warnings);
  if (options.strict && !report.warnings.empty()) {
    return refuse_warnings(report);
  }
  auto obstacle = check_outputs(options, inputs, files, report);
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
    MTPGRAFT_CHECK(options.checksums ? write_graft_and_checksums(options, std::move(inputs), output, files, report)
                                     : write_graft(options, inputs, {}, output, files, report));
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
