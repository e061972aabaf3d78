#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "mtpgraft/header_digest.h"
#include "mtpgraft/output_name.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {
namespace {

Result<std::string> choose_output(const StripCommandOptions& options, std::size_t file_count) {
  if (!options.write.in_place && !options.write.output) {
    return Error{ErrorCode::kUsage, "strip needs -o FILE, or --in-place", {}, {}, "mtpgraft strip --help"};
  }
  return options.write.in_place ? options.file : first_output_path(*options.write.output, file_count);
}

// Whether the plan restores the file that the record tells of; warns where it should and does not.
Result<bool> restores_original(const Plan& plan, const ReadableFile& file, std::vector<Warning>& warnings) {
  if (!plan.original) {
    return false;
  }
  MTPGRAFT_TRY(const auto digest, digest_planned_header(plan.files.front(), file));
  if (plan.original->header_digest && digest != *plan.original->header_digest) {
    warnings.push_back(
        {"header-differs", fmt::format("the header is not that of the original '{}': keys were changed after the graft",
                                       plan.original->file)});
  }
  return digest == plan.original->header_digest && plan.files.front().output_size == plan.original->size;
}

}  // namespace

Result<int> run_strip(const StripCommandOptions& options, const OutputOptions& output, FileSystem& files) {
  report::StripReport report;
  report.path = options.file;
  MTPGRAFT_CHECK(check_names(options.write));
  MTPGRAFT_CHECK(choose_output(options, 1));
  MTPGRAFT_TRY(auto model,
               options.write.in_place ? open_to_change(options.file, files) : open_model(files, options.file));
  Sources sources{model.file, std::move(model.file)};
  const auto& gguf = model.gguf;
  report.file = summarise(gguf);
  MTPGRAFT_TRY(report.plan, make_strip_plan(gguf, {.keep_size = options.write.in_place}));
  MTPGRAFT_TRY(report.writing.path, choose_output(options, report.plan.files.size()));
  report.warnings = report.plan.warnings;
  MTPGRAFT_TRY(report.restores_original, restores_original(report.plan, *sources.target, report.warnings));
  return deliver({"strip",
                  report.plan,
                  options.write,
                  report.warnings,
                  report.writing,
                  {},
                  [&](bool details) { return report::describe_strip(report, details); },
                  [&] { return report::strip_to_json(report); }},
                 std::move(sources), output, files);
}

}  // namespace mtpgraft::cli
