#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "mtpgraft/head_data.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {

Result<int> run_extract(const ExtractOptions& options, const OutputOptions& output, FileSystem& files) {
  MTPGRAFT_CHECK(check_names(options.write));
  report::ExtractReport report;
  report.donor_path = options.donor.path;
  report.form = options.tensors_only ? ExtractForm::kTensorsOnly : ExtractForm::kSidecar;
  report.writing.path = options.write.output.value();
  Sources sources;
  std::optional<GgufFile> target;
  if (!options.target.empty()) {
    MTPGRAFT_TRY(auto model, open_model(files, options.target));
    sources.target = std::move(model.file);
    target = std::move(model.gguf);
  }
  MTPGRAFT_TRY(const auto donor,
               open_donor(options.donor, target ? target->architecture() : "", fetch_progress(output), files));
  sources.donor = donor.file;
  if (!sources.target) {
    sources.target = sources.donor;
  }
  report.donor = summarise(donor.gguf);
  report.donor_notes = donor.notes;
  MTPGRAFT_TRY(const auto head_data, read_head_data(*sources.donor, donor.gguf, DigestHead::kNo,
                                                    make_progress("read head", report.donor.head.bytes, output)));
  MTPGRAFT_TRY(report.plan, make_extract_plan(donor.gguf, head_data, target ? &*target : nullptr, report.form));
  report.warnings = report.plan.warnings;
  report.warnings.insert(report.warnings.end(), donor.warnings.begin(), donor.warnings.end());
  report.fetch = describe_fetch(donor, donor_ranges(report.plan));
  const auto finished = [&]() -> const report::ExtractReport& {
    note_received(donor, report.fetch);
    return report;
  };
  return deliver({"extract",
                  report.plan,
                  options.write,
                  report.warnings,
                  report.writing,
                  {},
                  [&](bool details) { return report::describe_extract(finished(), details); },
                  [&] { return report::extract_to_json(finished()); }},
                 std::move(sources), output, files);
}

}  // namespace mtpgraft::cli
