#include "job/extract_form.h"

#include <fmt/core.h>

#include "donor/exported_tensors.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kCheckpointEnding = ".safetensors";

}  // namespace

Result<ExtractForm> choose_extract_form(const ExtractRequest& request) {
  if (!request.output.path.ends_with(kCheckpointEnding)) {
    return request.form;
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

}  // namespace mtpgraft
