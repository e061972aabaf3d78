#include <fmt/core.h>

#include <filesystem>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/json.h"
#include "report/text.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

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

// Of several files, the first.
Result<std::string> choose_output(const GraftCommandOptions& options, std::size_t file_count) {
  if (options.write.in_place) {
    return options.target;
  }
  auto path = options.write.output ? first_output_path(*options.write.output, file_count)
                                   : default_output_path(options.target, file_count);
  const auto shard = parse_shard_name(path);
  std::string fault;
  if (!options.write.output && path == options.target) {
    fault = fmt::format("'{}' has MTP in its name already", options.target);
  } else if (file_count > 1 && (shard->number != 1 || shard->count != file_count)) {
    fault = fmt::format("'{}' is not the name of the first of {} files, which the graft has", path, file_count);
  }
  if (!fault.empty()) {
    return Error{ErrorCode::kUsage, fault, {}, {}, "give the output a name with -o"};
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
  MTPGRAFT_TRY(auto target,
               options.write.in_place ? open_to_change(options.target, files) : open_model(files, options.target));
  MTPGRAFT_TRY(auto donor, open_donor(options.donor, target.gguf.architecture(), files));
  return Inputs{std::move(target.file), std::move(target.gguf), std::move(donor)};
}

// The record tells verify how the graft was made; without one it must be told, and edits it cannot be told.
std::optional<std::string> verify_flags(const GraftCommandOptions& options) {
  std::string flags;
  const auto add = [&](std::string_view name, const std::string& value) {
    flags += value.empty() ? "" : fmt::format(" {} {}", name, shell_quoted(value));
  };
  if (options.no_record) {
    if (!options.edits.empty() || options.yarn_factor) {
      return std::nullopt;
    }
    add("--head-type", options.donor.head_type);
    add("--norm-offset", options.donor.norm_offset ? fmt::format("{}", *options.donor.norm_offset) : "");
  }
  add("--ggml", options.donor.ggml_path);
  return flags;
}

}  // namespace

Result<int> run_graft(const GraftCommandOptions& options, const OutputOptions& output, FileSystem& files) {
  report::GraftReport report;
  report.target_path = options.target;
  report.donor_path = options.donor.path;
  report.verify_flags = verify_flags(options);
  MTPGRAFT_CHECK(check_names(options.write));
  MTPGRAFT_TRY(auto inputs, open_inputs(options, files));
  report.target = summarise(inputs.target);
  report.donor = summarise(inputs.donor.gguf);
  report.donor_notes = inputs.donor.notes;

  GraftOptions graft{.replace = options.replace, .labels = {}, .split = options.split};
  if (!options.no_record) {
    graft.labels = inputs.donor.labels;
    graft.labels->target_file = base_name(options.target);
    MTPGRAFT_TRY(graft.target_header, digest_header(*inputs.target_file, inputs.target));
  }
  graft.edits = options.edits;
  if (options.yarn_factor) {
    MTPGRAFT_TRY(const auto yarn, make_yarn_edits(inputs.target, *options.yarn_factor));
    // Before the others, which may say it better.
    graft.edits.insert(graft.edits.begin(), yarn.begin(), yarn.end());
  }
  const auto make_plan = [&](DigestHead digest) -> Result<Plan> {
    MTPGRAFT_TRY(const auto head_data, read_head_data(*inputs.donor.file, inputs.donor.gguf, digest,
                                                      make_progress("read head", report.donor.head.bytes, output)));
    return make_graft_plan(inputs.target, inputs.donor.gguf, head_data, graft);
  };
  // Without the digest first: what does not fit is refused before gigabytes are read.
  MTPGRAFT_TRY(report.plan, make_plan(DigestHead::kNo));
  MTPGRAFT_TRY(report.writing.path, choose_output(options, report.plan.files().size()));
  report.warnings = report.plan.warnings;
  report.warnings.insert(report.warnings.end(), inputs.donor.warnings.begin(), inputs.donor.warnings.end());
  warn_of_name(report.writing.path, report.warnings);
  if (options.strict && !report.warnings.empty()) {
    return refuse_warnings(report);
  }
  const auto prepare = [&]() -> Status {
    if (graft.labels) {
      MTPGRAFT_TRY(report.plan, make_plan(DigestHead::kYes));
    }
    return ok_status();
  };
  return deliver({"graft", report.plan, options.write, report.warnings, report.writing, prepare,
                  [&](bool details) { return report::describe_graft(report, details); },
                  [&] { return report::graft_to_json(report); }},
                 {std::move(inputs.target_file), inputs.donor.file}, output, files);
}

}  // namespace mtpgraft::cli
