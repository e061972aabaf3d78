#include "model/head_values.h"

#include <fmt/format.h>

#include "gguf/tensor_types.h"

namespace mtpgraft {
namespace {

using Kind = ValueFlaw::Kind;

bool has_blocks(const TensorInfo& tensor) {
  const auto* type = find_tensor_type(tensor.type);
  return type != nullptr && type->block_elements > 1;
}

// "block 17, byte 5024 of 'mtp-Base.gguf'".
std::string describe_place(const TensorInfo& tensor, const ValueFlaw& flaw) {
  const auto file = flaw.path.empty() ? fmt::format("byte {} of the tensor as it is converted", flaw.offset)
                                      : fmt::format("byte {} of '{}'", flaw.file_offset, flaw.path);
  return fmt::format("{} {}, {}", has_blocks(tensor) ? "block" : "element", flaw.block, file);
}

}  // namespace

std::string describe_flaw(const GgufFile& donor, const ValueFlaw& flaw) {
  const auto& tensor = donor.tensors[flaw.tensor];
  const auto place = describe_place(tensor, flaw);
  switch (flaw.kind) {
    case Kind::kZeros:
      return fmt::format("head tensor '{}' has nothing but zeros, from {} on", tensor.name, place);
    case Kind::kNotFinite:
      return fmt::format(
          "head tensor '{}' has {} {} that {} NaN or infinite; the first, {}, is in {}", tensor.name, flaw.count,
          has_blocks(tensor) ? (flaw.count == 1 ? "scale" : "scales") : (flaw.count == 1 ? "value" : "values"),
          flaw.count == 1 ? "is" : "are", flaw.is_nan ? "NaN" : "infinity", place);
    case Kind::kZeroRun:
      return fmt::format("head tensor '{}' has {} zero bytes from {} on{}: a hole, as an incomplete download has them",
                         tensor.name, flaw.bytes, place,
                         flaw.count == 1 ? "" : fmt::format(", the first of {} such runs", flaw.count));
  }
  return "";
}

Status refuse_values(const GgufFile& donor, const HeadData& head_data) {
  Error error{.code = ErrorCode::kIncompatible,
              .message = "the head is not trained, or not complete",
              .path = donor.path,
              .hint = "get the file again, or take another donor"};
  for (const auto& flaw : head_data.flaws) {
    if (flaw.kind == Kind::kZeros) {
      error.details.push_back(describe_flaw(donor, flaw));
    }
  }
  return error.details.empty() ? ok_status() : Status(std::move(error));
}

std::vector<std::string> note_unknown_types(const HeadData& head_data) {
  std::vector<std::string> notes;
  for (const auto& type : head_data.unknown_types) {
    notes.push_back(
        fmt::format("its tensors of type {} were only searched for zeros: how blocks of this type are made "
                    "is not known here",
                    type));
  }
  return notes;
}

std::vector<Warning> warn_of_values(const GgufFile& donor, const HeadData& head_data) {
  std::vector<Warning> warnings;
  for (const auto& flaw : head_data.flaws) {
    if (flaw.kind == Kind::kNotFinite) {
      warnings.push_back({"head-values", describe_flaw(donor, flaw)});
    } else if (flaw.kind == Kind::kZeroRun) {
      warnings.push_back({"head-zero-run", describe_flaw(donor, flaw)});
    }
  }
  return warnings;
}

}  // namespace mtpgraft
