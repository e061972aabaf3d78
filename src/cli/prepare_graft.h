// A graft from the names of its files to its plan, for `graft` and `release`.
#pragma once

#include <optional>

#include "cli/donor_input.h"
#include "cli/options.h"
#include "cli/write_plan.h"
#include "mtpgraft/digest.h"
#include "mtpgraft/plan.h"
#include "report/model.h"

namespace mtpgraft::cli {

struct PreparedGraft {
  report::GraftReport report;
  Sources sources;
  std::optional<Digest> head_digest;  // after complete_plan()

  // What the plan is made of.
  GgufFile target;
  DonorInput donor;
  GraftOptions options;
};

// Opens the files, plans, and finds all that can be said before the head is read. Warnings are errors with --strict.
Result<PreparedGraft> prepare_graft(const GraftCommandOptions& options, const Progress& progress,
                                    const StartProgress& start_fetch, FileSystem& files);

// Reads the head for its digest, which the record has; until then the plan cannot be executed.
Status complete_plan(PreparedGraft& graft, const Progress& progress);

}  // namespace mtpgraft::cli
