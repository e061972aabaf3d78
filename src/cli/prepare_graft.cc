#include "cli/prepare_graft.h"

#include <fmt/core.h>

#include <filesystem>

#include "mtpgraft/head_data.h"
#include "mtpgraft/header_digest.h"
#include "mtpgraft/output_name.h"
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
    return Error{.code = ErrorCode::kUsage, .message = fault, .remedy = Remedy::kNameOutput};
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

Status make_plan(PreparedGraft& graft, DigestHead digest, const Progress& progress) {
  MTPGRAFT_TRY(const auto head_data, read_head_data(*graft.donor.file, graft.donor.gguf, digest, progress));
  MTPGRAFT_TRY(graft.report.plan, make_graft_plan(graft.target, graft.donor.gguf, head_data, graft.options));
  graft.head_digest = head_data.digest;
  return ok_status();
}

}  // namespace

Result<PreparedGraft> prepare_graft(const GraftCommandOptions& options, const Progress& progress,
                                    const StartProgress& start_fetch, FileSystem& files) {
  PreparedGraft graft;
  auto& report = graft.report;
  report.target_path = options.target;
  report.donor_path = options.donor.path;
  report.verify_flags = verify_flags(options);
  MTPGRAFT_CHECK(check_names(options.write));
  std::error_code ignored;
  if (options.write.in_place && std::filesystem::equivalent(options.target, options.donor.path, ignored)) {
    return Error{ErrorCode::kRefused, "is target and donor", options.donor.path, {}, "name the file that has the head"};
  }
  MTPGRAFT_TRY(auto target,
               options.write.in_place ? open_to_change(options.target, files) : open_model(files, options.target));
  graft.target = std::move(target.gguf);
  MTPGRAFT_TRY(graft.donor, open_donor(options.donor, graft.target.architecture(), start_fetch, files));
  graft.sources = {std::move(target.file), graft.donor.file};
  report.target = summarise(graft.target);
  report.donor = summarise(graft.donor.gguf);
  report.donor_notes = graft.donor.notes;
  report.pinned_donor_path = graft.donor.pinned_path;

  graft.options = {.replace = options.replace, .labels = {}, .edits = options.edits, .split = options.split};
  if (!options.no_record) {
    graft.options.labels = graft.donor.labels;
    graft.options.labels->target_file = base_name(options.target);
    MTPGRAFT_TRY(graft.options.target_header, digest_header(*graft.sources.target, graft.target));
  }
  if (options.yarn_factor) {
    MTPGRAFT_TRY(const auto yarn, make_yarn_edits(graft.target, *options.yarn_factor));
    // Before the others, which may say it better.
    graft.options.edits.insert(graft.options.edits.begin(), yarn.begin(), yarn.end());
  }
  // Without the digest first: what does not fit is refused before gigabytes are read.
  MTPGRAFT_CHECK(make_plan(graft, DigestHead::kNo, progress));
  report.fetch = describe_fetch(graft.donor, donor_ranges(report.plan));
  MTPGRAFT_TRY(report.writing.path, choose_output(options, report.plan.files.size()));
  report.warnings = report.plan.warnings;
  report.warnings.insert(report.warnings.end(), graft.donor.warnings.begin(), graft.donor.warnings.end());
  warn_of_name(report.writing.path, report.warnings);
  if (options.strict && !report.warnings.empty()) {
    return refuse_warnings(report);
  }
  return graft;
}

Status complete_plan(PreparedGraft& graft, const Progress& progress) {
  return make_plan(graft, DigestHead::kYes, progress);
}

}  // namespace mtpgraft::cli
