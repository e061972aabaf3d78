#include "mtpgraft/execute.h"

namespace mtpgraft {

Status execute_plan(const Plan& plan, const ReadableFile& target, const ReadableFile& donor, StagedFile& output,
                    const Progress& progress) {
  std::uint64_t offset = 0;
  for (const auto& segment : plan.segments) {
    if (const auto* literal = std::get_if<Literal>(&segment)) {
      MTPGRAFT_CHECK(output.write_at(offset, literal->bytes));
    } else if (const auto* copy = std::get_if<Copy>(&segment)) {
      const auto& source = copy->source == Source::kTarget ? target : donor;
      MTPGRAFT_CHECK(output.copy_from(source, copy->offset, offset, copy->length, progress));
    }
    // Zeros need no writing: a staged file reads as zeros until it is written.
    offset += segment_length(segment);
  }
  MTPGRAFT_CHECK(target.check_unchanged());
  return donor.check_unchanged();
}

}  // namespace mtpgraft
