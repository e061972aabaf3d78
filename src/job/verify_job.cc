#include <fmt/core.h>

#include <algorithm>

#include "mtpgraft/head_data.h"
#include "mtpgraft/job.h"
#include "mtpgraft/split.h"
#include "mtpgraft/unfinished.h"
#include "mtpgraft/verify.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

Result<VerifyReport> verify_file_alone(const VerifyRequest& request, const Context& context) {
  MTPGRAFT_TRY(const auto model, open_model(context.files, request.file));
  MTPGRAFT_TRY(auto report, verify_alone(model, context.begin(Phase::kVerify, 0)));
  report.warnings = find_unfinished(model, {{0, model.file->size()}}, context.files);
  MTPGRAFT_CHECK(model.file->check_unchanged());
  return report;
}

// The parse does not outlive the call: a model of many tensors has a large one.
Result<std::optional<RecordLabels>> read_labels(const std::vector<std::shared_ptr<const ReadableFile>>& files) {
  const auto model = read_model(files);
  if (!model.ok() && model.error().code == ErrorCode::kIo) {
    return model.error();
  }
  return model.ok() ? find_record_labels(model.value().gguf) : std::nullopt;
}

// A file that is held against itself is equal.
Status refuse_itself(const ReadableFile& file, const ReadableFile& source, std::string_view role) {
  const auto stamp = file.stamp();
  const auto sources = source.sources();
  const bool is_same = stamp && std::ranges::any_of(sources, [&](const ReadableFile* each) {
                         const auto other = each->stamp();
                         return other && other->identity == stamp->identity;
                       });
  return is_same ? Status(Error{.code = ErrorCode::kUsage,
                                .message = fmt::format("is the {} as well: that would prove nothing", role),
                                .path = file.path(),
                                .remedy = Remedy::kVerifyAlone})
                 : ok_status();
}

}  // namespace

Result<VerifyReport> verify(const VerifyRequest& request, const Context& context) {
  if (request.file.empty()) {
    return Error{.code = ErrorCode::kUsage, .message = "the model has no name"};
  }
  if (request.target.empty()) {
    return verify_file_alone(request, context);
  }
  MTPGRAFT_TRY(const auto files, open_model_files(context.files, request.file));
  MTPGRAFT_TRY(const auto target, open_model(context.files, request.target));
  std::uint64_t bytes = 0;
  for (const auto& file : files) {
    bytes += file->size();
  }
  auto donor_request = request.donor;
  MTPGRAFT_TRY(const auto recorded, read_labels(files));
  donor_request.rounds_twice = recorded && !recorded->is_rounded_once;
  // What the user says counts, also if it is something else: then the comparison tells.
  if (recorded && donor_request.head_type.empty()) {
    donor_request.head_type = recorded->head_type;
    donor_request.searches_ggml = false;  // the file that is checked may come from anyone
  }
  MTPGRAFT_TRY(const auto trunk_norms, read_trunk_norms(*target.file, target.gguf));
  MTPGRAFT_TRY(auto donor, open_donor(donor_request, target.gguf.architecture(), context,
                                      recorded ? recorded->norm_offset : std::nullopt, nullptr, trunk_norms,
                                      read_head_sizes(target.gguf)));
  MTPGRAFT_CHECK(refuse_itself(*files.front(), *target.file, "target"));
  MTPGRAFT_CHECK(refuse_itself(*files.front(), *donor.file, "donor"));
  donor.labels.target_file = base_name(request.target);
  const OpenedModel opened_donor{donor.file, donor.gguf};
  const auto progress = context.begin(Phase::kVerify, bytes);
  MTPGRAFT_TRY(auto report, request.tensors_only
                                ? verify_tensors(files, target, opened_donor, progress)
                                : verify_graft(files, target, opened_donor, donor.labels, request.shared, progress));
  report.edits_allowed = report.edits_allowed || request.allow_edits;
  for (const auto& source : {target, opened_donor}) {
    std::ranges::move(find_unfinished(source, {{0, source.file->size()}}, context.files),
                      std::back_inserter(report.warnings));
  }
  for (const auto& file : files) {
    MTPGRAFT_CHECK(file->check_unchanged());
  }
  MTPGRAFT_CHECK(target.file->check_unchanged());
  MTPGRAFT_CHECK(donor.file->check_unchanged());
  return report;
}

}  // namespace mtpgraft
