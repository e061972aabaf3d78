#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "gguf/format.h"
#include "gguf/serialize.h"
#include "model/compatibility.h"
#include "model/dialect.h"
#include "model/head_values.h"
#include "mtpgraft/strip.h"
#include "plan/assembly.h"
#include "plan/head_tensors.h"
#include "plan/shards.h"

namespace mtpgraft {
namespace {

KeyList keys_of_tensors_only(const GgufFile& model) {
  KeyList keys;
  if (!model.architecture().empty()) {
    set_key(keys, "general.architecture", string_value(model.architecture()));
  }
  if (model.alignment != format::kDefaultAlignment) {
    set_key(keys, "general.alignment", u32_value(static_cast<std::uint32_t>(model.alignment)));
  }
  return keys;
}

// A head with other experts than the model's stands beside it with these keys of its own.
constexpr auto kKeysOfTheHead = std::to_array<std::string_view>(
    {"expert_count", "expert_used_count", "expert_feed_forward_length", "leading_dense_block_count"});

bool is_same(const KeyValue* ours, const KeyValue& theirs) { return ours != nullptr && ours->same_value(theirs); }

void take_expert_keys(const GgufFile& model, const GgufFile& donor, KeyList& keys) {
  for (const auto name : kKeysOfTheHead) {
    const auto* theirs = donor.find_arch_key(name);
    if (const auto value = theirs != nullptr ? theirs->complete_value() : std::nullopt;
        value && !value->is_array() && !is_same(model.find_arch_key(name), *theirs)) {
      set_key(keys, fmt::format("{}.{}", model.architecture(), name), *value);
    }
  }
}

Status check_shared_tensors(const GgufFile& model, const Architecture& architecture, bool is_target) {
  for (const auto name : sidecar_tensors(architecture)) {
    if (model.find_tensor(name) == nullptr) {
      return Error{.code = ErrorCode::kIncompatible,
                   .message = fmt::format("has no tensor '{}', which llama.cpp wants in a sidecar", name),
                   .path = model.path,
                   .hint = is_target ? "it is not a complete language model" : "",
                   .remedy = is_target ? Remedy::kNone : Remedy::kExtractForTarget};
    }
  }
  return ok_status();
}

// A sidecar that borrows the target's tensors says so. Refused where nothing is known to read it.
Status check_slim(const GgufFile& model, const Architecture& architecture) {
  if (!architecture.slim_sidecar_readers.empty()) {
    return ok_status();
  }
  Error error{.code = ErrorCode::kUnsupported,
              .message = fmt::format("nothing is known to read a sidecar of {} models without their shared tensors; it "
                                     "is of",
                                     model.architecture()),
              .path = model.path,
              .hint = "extract a sidecar that has them"};
  for (const auto& row : architectures()) {
    if (!row.slim_sidecar_readers.empty()) {
      error.details.push_back(fmt::format("{}: {}", row.name, row.slim_sidecar_readers));
    }
  }
  return error;
}

constexpr std::string_view kSharesTargetTensors = "nextn_shared_target_tensors";

// Those of the model, but what the head has of its own in its sidecar.
Result<std::vector<TensorEntry>> share_tensors(const GgufFile& model, const GgufFile& donor, const Head& donor_head) {
  const auto own = own_root_tensors(model.architecture(), donor_head.state);
  std::vector<TensorEntry> entries;
  for (const auto& tensor : model.tensors) {
    if (split_block_name(tensor.name)) {
      continue;
    }
    const auto* theirs = std::ranges::find(own, tensor.name) != own.end() ? donor.find_tensor(tensor.name) : nullptr;
    if (&model == &donor || theirs == nullptr) {
      entries.push_back(keep_tensor(tensor));
    } else if (theirs->shape != tensor.shape) {
      return Error{.code = ErrorCode::kIncompatible,
                   .message = fmt::format("'{}' has shape [{}], the target's [{}]", tensor.name,
                                          fmt::join(theirs->shape, ", "), fmt::join(tensor.shape, ", ")),
                   .path = donor.path,
                   .offset = theirs->info_offset};
    } else {
      entries.push_back({Source::kDonor, theirs});
    }
  }
  return entries;
}

// What goes with the head's blocks where nothing else does.
std::vector<TensorEntry> take_own_tensors(const GgufFile& model, const GgufFile& donor, const Head& donor_head) {
  std::vector<TensorEntry> entries;
  for (const auto name : own_root_tensors(model.architecture(), donor_head.state)) {
    if (const auto* tensor = donor.find_tensor(name)) {
      entries.push_back(&model == &donor ? keep_tensor(*tensor) : TensorEntry{Source::kDonor, tensor});
    }
  }
  return entries;
}

void say_that_it_is_slim(const Architecture& architecture, KeyList& keys, std::vector<Warning>& warnings) {
  set_key(keys, fmt::format("{}.{}", architecture.name, kSharesTargetTensors),
          {ValueType::kBool, ValueType::kBool, 1, {std::byte{1}}});
  warnings.push_back(
      {"sidecar-refused", fmt::format("llama.cpp {} does not load a sidecar without the shared tensors; {} does",
                                      kLlamaCppBuild, architecture.slim_sidecar_readers)});
}

Warning never_beside(const Architecture& architecture) {
  return {"sidecar-refused", fmt::format("llama.cpp {} does not load the head of {} models from a file of its own; it "
                                         "is a donor all the same",
                                         kLlamaCppBuild, architecture.name)};
}

}  // namespace

Result<Plan> make_extract_plan(const GgufFile& donor, const HeadData& head_data, const GgufFile* target,
                               ExtractForm form) {
  const auto donor_head = find_head(donor);
  const auto& model = target != nullptr ? *target : donor;
  MTPGRAFT_CHECK(check_donor(donor, donor_head, model));
  MTPGRAFT_CHECK(check_head_data(donor, donor_head, head_data));
  MTPGRAFT_CHECK(refuse_values(donor, head_data));
  Plan plan;
  auto first_block = donor_head.first_block;
  bool has_own_experts = false;
  if (target != nullptr) {
    const auto target_head = find_head(*target);
    MTPGRAFT_CHECK(check_target(*target, target_head, true));
    auto fit = check_fit(*target, target_head, donor, donor_head, head_data, HeadPlace::kBeside);
    MTPGRAFT_CHECK(refuse_misfit(*target, donor, fit));
    plan.warnings = std::move(fit.warnings);
    has_own_experts = fit.differs_in_experts;
    first_block = count_trunk_blocks(*target, target_head);
  }
  std::ranges::move(warn_of_values(donor, head_data), std::back_inserter(plan.warnings));
  const HeadPlacement placement{model, first_block, donor, donor_head, head_data};
  Assembly assembly{.target = model, .keys = keys_of(model), .tensors = {}, .padded_key = {}};
  remove_key(assembly.keys, kRecordKey);  // it tells of another file, or of nothing
  MTPGRAFT_TRY(assembly.keys, target != nullptr ? set_head_keys(placement, std::move(assembly.keys))
                                                : mend_depth_keys(model, std::move(assembly.keys)));
  if (has_own_experts) {
    take_expert_keys(model, donor, assembly.keys);
  }
  if (form == ExtractForm::kTensorsOnly) {
    assembly.keys = keys_of_tensors_only(model);
    assembly.tensors = take_own_tensors(model, donor, donor_head);
  } else {
    const auto architecture = find_architecture(model.architecture());
    const bool is_slim = form == ExtractForm::kSlimSidecar;
    MTPGRAFT_CHECK(is_slim ? check_slim(model, architecture)
                           : check_shared_tensors(model, architecture, target != nullptr));
    if (is_slim) {
      say_that_it_is_slim(architecture, assembly.keys, plan.warnings);
    } else if (!architecture.loads_sidecar) {
      plan.warnings.push_back(never_beside(architecture));
    }
    plan.key_changes = describe_head_changes(placement, assembly.keys, {});
    assembly.keys = set_split_keys(1, 0, std::move(assembly.keys));
    if (!is_slim) {
      MTPGRAFT_TRY(assembly.tensors, share_tensors(model, donor, donor_head));
    }
  }
  remove_key(assembly.keys, kPaddingKey);
  plan.first_head_block = first_block;
  plan.head_block_count = donor_head.block_count;
  auto head = rename_head(placement);
  const auto shared = static_cast<std::ptrdiff_t>(assembly.tensors.size());
  std::ranges::move(head, std::back_inserter(assembly.tensors));
  assembly.padded_key = pad_for_cloning(assembly, donor);
  plan.files.push_back(assemble(assembly));
  head.assign(assembly.tensors.begin() + shared, assembly.tensors.end());
  plan.head_bytes = bytes_of(head);
  plan.head_tensors = describe_head(head);
  return plan;
}

}  // namespace mtpgraft
