#include <fmt/format.h>

#include "gguf/describe.h"
#include "model/architectures.h"
#include "model/compatibility.h"
#include "mtpgraft/split.h"
#include "mtpgraft/summary.h"

namespace mtpgraft {
namespace {

constexpr const char* kOtherDonor = "give the base model's GGUF with its MTP head, or an mtp-*.gguf of it";

Error incompatible(const GgufFile& file, std::string message, std::string hint = {}) {
  return {.code = ErrorCode::kIncompatible,
          .message = std::move(message),
          .path = file.path,
          .hint = std::move(hint),
          .file_kind = recognise(file, find_head(file)).kind};
}

Error broken(const GgufFile& file, const Head& head, std::string_view role) {
  auto error = incompatible(file, fmt::format("the {}'s head is broken", role));
  error.details = head.problems;
  return error;
}

Status check_depth_key(const GgufFile& target, std::string_view key, bool required) {
  const auto* item = target.find_arch_key(key);
  if (item == nullptr) {
    return required
               ? Status(incompatible(target, fmt::format("the target has no key '{}.{}'", target.architecture(), key),
                                     "it is not a complete language model"))
               : ok_status();
  }
  // Another type of whole number is no riddle: the graft has u32.
  if (item->value.is_array() || item->value.type == ValueType::kBool || !item->value.unsigned_at()) {
    auto error = incompatible(target,
                              fmt::format("key '{}' is {} {}, llama.cpp wants u32 and refuses the file", item->key,
                                          type_name(item->value), describe_value(item->value)),
                              "convert the target again; its writer chose the wrong type");
    error.offset = item->offset;
    return error;
  }
  return ok_status();
}

// What has no head and can take none.
Status check_kind(const GgufFile& file, const Head& head, std::string_view role, std::string_view advice) {
  const auto recognised = recognise(file, head);
  if (recognised.use.empty()) {
    return ok_status();
  }
  return incompatible(file, fmt::format("the {} is {}", role, recognised.what),
                      fmt::format("{}; what this one is for: {}", advice, recognised.use));
}

}  // namespace

Error shard_error(const GgufFile& file, std::string_view role) {
  const auto* count = file.find_key(kSplitCountKey);
  return {.code = ErrorCode::kUnsupported,
          .message =
              fmt::format("the {} is one file of a split model{}, not the whole model", role,
                          count != nullptr ? fmt::format(" of {} files", count->value.integer_at().value_or(0)) : ""),
          .path = file.path,
          .hint = "name the first file, ...-00001-of-....gguf, with the others beside it",
          .file_kind = FileKind::kShard};
}

std::string describe_headless(const GgufFile& file, const Head& head) {
  const auto recognised = recognise(file, head);
  return recognised.use.empty() ? "has no head" : fmt::format("is {}, without a head", recognised.what);
}

Status check_target(const GgufFile& target, const Head& head, bool replace) {
  if (head.state == HeadState::kShard) {
    return shard_error(target, "target");
  }
  MTPGRAFT_CHECK(check_kind(target, head, "target", "name the model that is to have a head"));
  if (head.state == HeadState::kSidecar || head.state == HeadState::kTensorsOnly) {
    return incompatible(target, "the target is a head without trunk", "the model comes first, the head's donor second");
  }
  if (target.architecture().empty()) {
    return incompatible(target, "the target has no key 'general.architecture'", "it is not a complete language model");
  }
  MTPGRAFT_CHECK(check_depth_key(target, "block_count", true));
  MTPGRAFT_CHECK(check_depth_key(target, "nextn_predict_layers", false));
  switch (head.state) {
    case HeadState::kPresent:
      if (!replace) {
        auto error = incompatible(target, fmt::format("the target already has a head at blk.{} ({} tensors)",
                                                      head.first_block, head.tensors.size()));
        error.remedy = Remedy::kReplaceHead;
        return error;
      }
      break;
    case HeadState::kBroken:
      if (!replace || !head.has_tensors()) {
        auto error = broken(target, head, "target");
        error.remedy = head.has_tensors() ? Remedy::kReplaceHead : Remedy::kNone;
        return error;
      }
      break;
    case HeadState::kSidecar:
    case HeadState::kTensorsOnly:
    case HeadState::kNone:
    case HeadState::kPlaceholder:
    case HeadState::kShard:
      break;
  }
  return ok_status();
}

Status check_donor(const GgufFile& donor, const Head& head, const GgufFile& target) {
  MTPGRAFT_CHECK(check_kind(donor, head, "donor", kOtherDonor));
  const bool has_head = head.state != HeadState::kShard || (head.has_tensors() && head.problems.empty());
  if (has_head && !donor.architecture().empty() && donor.architecture() != target.architecture()) {
    return incompatible(
        donor, fmt::format("general.architecture: target {}, donor {}", target.architecture(), donor.architecture()),
        "take the head from the model that the target was made from");
  }
  switch (head.state) {
    case HeadState::kShard:
      if (!has_head) {
        auto error = shard_error(donor, "donor");
        error.details = head.problems;
        return error;
      }
      break;
    case HeadState::kBroken: {
      auto error = broken(donor, head, "donor");
      error.hint = kOtherDonor;
      return error;
    }
    case HeadState::kNone:
      return incompatible(donor, "the donor has no head (no 'blk.N.nextn.*' tensors)", kOtherDonor);
    case HeadState::kPlaceholder:
      return incompatible(
          donor, fmt::format("the donor declares a head at blk.{} but has none of its tensors", head.first_block),
          kOtherDonor);
    case HeadState::kPresent:
    case HeadState::kSidecar:
    case HeadState::kTensorsOnly:
      break;
  }
  return ok_status();
}

}  // namespace mtpgraft
