#include "job/extract_form.h"

#include <fmt/format.h>

#include "donor/tensor_reader.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kCheckpointEnding = ".safetensors";

}  // namespace

Result<ExtractForm> choose_extract_form(const ExtractRequest& request) {
  const auto& path = request.output.path;
  if (!lowered(path).ends_with(kCheckpointEnding)) {
    return request.form;
  }
  if (!path.ends_with(kCheckpointEnding)) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("the ending of a checkpoint's file is {}, in small letters", kCheckpointEnding),
                 .path = path};
  }
  const auto refuse = [](RequestField field, std::string_view why) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("is for .gguf outputs: a {} file {}", kCheckpointEnding, why),
                 .field = field};
  };
  if (!request.target.empty()) {
    return refuse(RequestField::kForTarget, "has the names of the donor's own checkpoint");
  }
  if (request.form == ExtractForm::kTensorsOnly) {
    return refuse(RequestField::kTensorsOnly, "has nothing but the head's tensors");
  }
  if (request.form == ExtractForm::kSlimSidecar) {
    return refuse(RequestField::kNoSharedTensors, "has none of them");
  }
  if (const auto type = tensor_type_id(request.donor.head_type);
      !request.donor.head_type.empty() && type && plain_dtype(*type).empty()) {
    return Error{
        .code = ErrorCode::kUsage,
        .message = fmt::format("{}: a {} file has f32, f16 or bf16", request.donor.head_type, kCheckpointEnding),
        .field = RequestField::kHeadType};
  }
  return ExtractForm::kCheckpoint;
}

Status check_exact(const Donor& donor) {
  if (!donor.quantisation || donor.quantisation->schemes.empty() || !donor.labels.head_type.empty()) {
    return ok_status();
  }
  return Error{.code = ErrorCode::kIncompatible,
               .message = fmt::format("the head is quantised ({}: {} of {} tensors), and would be rounded",
                                      fmt::join(donor.quantisation->schemes, " and "),
                                      donor.quantisation->quantised_count, donor.quantisation->tensor_count),
               .path = donor.file->path(),
               .remedy = Remedy::kDequantise};
}

Status refuse_checkpoint_name(const std::string& path) {
  if (!lowered(path).ends_with(kCheckpointEnding)) {
    return ok_status();
  }
  return Error{
      .code = ErrorCode::kUsage,
      .message = fmt::format("what is written is a GGUF, and {} is the ending of checkpoints", kCheckpointEnding),
      .path = path,
      .hint = "give the output a name that ends in .gguf"};
}

}  // namespace mtpgraft
