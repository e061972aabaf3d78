#include "cli/commands.h"
#include "cli/prepare_graft.h"
#include "cli/progress.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {

Result<int> run_graft(const GraftCommandOptions& options, const OutputOptions& output, FileSystem& files) {
  MTPGRAFT_TRY(auto graft,
               prepare_graft(options, make_progress("read head", 0, output), fetch_progress(output), files));
  auto& report = graft.report;
  const auto prepare = [&]() -> Status {
    return options.no_record ? ok_status()
                             : complete_plan(graft, make_progress("read head", report.donor.head.bytes, output));
  };
  const auto finished = [&]() -> const report::GraftReport& {
    note_received(graft.donor, report.fetch);
    return report;
  };
  return deliver({"graft", report.plan, options.write, report.warnings, report.writing, prepare,
                  [&](bool details) { return report::describe_graft(finished(), details); },
                  [&] { return report::graft_to_json(finished()); }},
                 std::move(graft.sources), output, files);
}

}  // namespace mtpgraft::cli
