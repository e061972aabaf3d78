#include "mtpgraft/head_data.h"
#include "mtpgraft/job.h"
#include "mtpgraft/split.h"
#include "mtpgraft/verify.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

Result<VerifyReport> verify_file_alone(const VerifyRequest& request, const Context& context) {
  MTPGRAFT_TRY(const auto model, open_model(context.files, request.file));
  MTPGRAFT_TRY(auto report, verify_alone(model, context.begin(Phase::kVerify, 0)));
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
  // What the user says counts, also if it is something else: then the comparison tells.
  if (recorded && donor_request.head_type.empty()) {
    donor_request.head_type = recorded->head_type;
    donor_request.searches_ggml = false;  // the file that is checked may come from anyone
  }
  MTPGRAFT_TRY(const auto trunk_norms, read_trunk_norms(*target.file, target.gguf));
  MTPGRAFT_TRY(auto donor, open_donor(donor_request, target.gguf.architecture(), context,
                                      recorded ? recorded->norm_offset : std::nullopt, nullptr, trunk_norms));
  donor.labels.target_file = base_name(request.target);
  MTPGRAFT_TRY(auto report, verify_graft(files, target, {donor.file, donor.gguf}, donor.labels, request.shared,
                                         context.begin(Phase::kVerify, bytes)));
  for (const auto& file : files) {
    MTPGRAFT_CHECK(file->check_unchanged());
  }
  MTPGRAFT_CHECK(target.file->check_unchanged());
  MTPGRAFT_CHECK(donor.file->check_unchanged());
  return report;
}

}  // namespace mtpgraft
