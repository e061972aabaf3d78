#include <fmt/core.h>

#include "gguf/format.h"
#include "gguf/serialize.h"
#include "model/compatibility.h"
#include "mtpgraft/strip.h"
#include "plan/assembly.h"
#include "plan/head_changes.h"
#include "plan/shards.h"

namespace mtpgraft {
namespace {

// Of both, what every sidecar needs besides the head.
constexpr std::string_view kTokenEmbedding = "token_embd.weight";
constexpr std::string_view kOutputNorm = "output_norm.weight";

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

Status check_shared_tensors(const GgufFile& model, bool is_target) {
  for (const auto name : {kTokenEmbedding, kOutputNorm}) {
    if (model.find_tensor(name) == nullptr) {
      return Error{
          ErrorCode::kIncompatible,
          fmt::format("has no tensor '{}', which llama.cpp wants in a sidecar", name),
          model.path,
          {},
          is_target
              ? "it is not a complete language model"
              : "--for TARGET takes it from the target; --tensors-only makes a donor without it; of a checkpoint only "
                "the head is read"};
    }
  }
  return ok_status();
}

}  // namespace

Result<Plan> make_extract_plan(const GgufFile& donor, const HeadData& head_data, const GgufFile* target,
                               ExtractForm form) {
  const auto donor_head = find_head(donor);
  const auto& model = target != nullptr ? *target : donor;
  MTPGRAFT_CHECK(check_donor(donor, donor_head, model));
  Plan plan;
  auto first_block = donor_head.first_block;
  auto keys = keys_of(model);
  if (target != nullptr) {
    const auto target_head = find_head(*target);
    MTPGRAFT_CHECK(check_target(*target, target_head, true));
    auto fit = check_fit(*target, target_head, donor, donor_head, head_data);
    MTPGRAFT_CHECK(refuse_misfit(*target, donor, fit));
    plan.warnings = std::move(fit.warnings);
    first_block = count_trunk_blocks(*target, target_head);
    MTPGRAFT_CHECK(set_head_keys(*target, first_block, donor, donor_head, keys, plan));
  } else {
    plan.first_head_block = first_block;
    plan.head_block_count = donor_head.block_count;
  }
  Assembly assembly{.target = model, .keys = {}, .tensors = {}, .record = {}};
  if (form == ExtractForm::kTensorsOnly) {
    assembly.keys = keys_of_tensors_only(model);
    plan.key_changes.clear();
  } else {
    MTPGRAFT_CHECK(check_shared_tensors(model, target != nullptr));
    const auto architecture = find_architecture(model.architecture());
    if (!architecture.loads_sidecar) {
      plan.warnings.push_back({"sidecar-refused", fmt::format("llama.cpp b10256 does not load the head of {} models "
                                                              "from a file of its own; it is a donor all the same",
                                                              architecture.name)});
    }
    remove_split_keys(keys);
    assembly.keys = std::move(keys);
    for (const auto& tensor : model.tensors) {
      if (!split_block_name(tensor.name)) {
        assembly.tensors.push_back(keep_tensor(tensor));
      }
    }
  }
  for (auto& entry : rename_head(donor, donor_head, head_data, first_block, plan)) {
    assembly.tensors.push_back(std::move(entry));
  }
  static_cast<FilePlan&>(plan) = assemble(assembly);
  take_offsets(assembly.tensors, plan);
  return plan;
}

}  // namespace mtpgraft
