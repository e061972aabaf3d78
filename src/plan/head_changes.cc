#include "plan/head_changes.h"

#include <fmt/format.h>

#include <set>

#include "gguf/describe.h"
#include "gguf/serialize.h"
#include "gguf/tensor_types.h"
#include "model/layer_arrays.h"

namespace mtpgraft {
namespace {

std::string describe_extension(const GgufValue& value, std::uint64_t trunk_blocks) {
  const auto item = as_read(value);
  std::vector<std::string> added;
  for (auto i = trunk_blocks; i < item.element_count; ++i) {
    added.push_back(describe_element(item, i));
  }
  return fmt::format("{} entries, the head's: {}", item.element_count, fmt::join(added, ", "));
}

}  // namespace

KeyChange describe_change(std::string_view key, const KeyValue* from, const GgufValue* to) {
  KeyChange change{std::string(key), "", from != nullptr ? describe_value(*from) : "", "none"};
  if (to != nullptr) {
    change.to = describe_value(as_read(*to));
  }
  const auto type = to != nullptr ? to->type : from->type;
  const auto element_type = to != nullptr ? to->element_type : from->element_type;
  change.type = fmt::format("{}{}", value_type_name(element_type), type == ValueType::kArray ? "[]" : "");
  return change;
}

Status set_head_keys(const GgufFile& target, std::uint64_t trunk_blocks, const GgufFile& donor, const Head& donor_head,
                     KeyList& keys, Plan& plan) {
  plan.first_head_block = trunk_blocks;
  plan.head_block_count = donor_head.block_count;
  const auto set_u32 = [&](std::string_view name, std::uint64_t number) {
    const auto key = fmt::format("{}.{}", target.architecture(), name);
    const auto* item = target.find_key(key);
    if (item == nullptr || item->unsigned_at() != number) {
      auto value = u32_value(static_cast<std::uint32_t>(number));
      plan.key_changes.push_back(describe_change(key, item, &value));
      set_key(keys, key, std::move(value));
    }
  };
  set_u32("block_count", trunk_blocks + donor_head.block_count);
  set_u32("nextn_predict_layers", donor_head.block_count);
  for (const auto& item : target.keys) {
    MTPGRAFT_TRY(auto value, extend_layer_array(item, target, trunk_blocks, donor, donor_head));
    if (value) {
      plan.key_changes.push_back({item.key, fmt::format("{}[]", value_type_name(item.element_type)),
                                  fmt::format("{} entries", item.element_count),
                                  describe_extension(*value, trunk_blocks)});
      set_key(keys, item.key, std::move(*value));
    }
  }
  return ok_status();
}

std::vector<TensorEntry> rename_head(const GgufFile& donor, const Head& donor_head, const HeadData& head_data,
                                     std::uint64_t trunk_blocks, Plan& plan) {
  std::vector<TensorEntry> entries;
  entries.reserve(donor_head.tensors.size());
  for (std::size_t i = 0; i < donor_head.tensors.size(); ++i) {
    const auto& tensor = donor.tensors[donor_head.tensors[i]];
    const auto split = split_block_name(tensor.name).value();
    TensorEntry entry{tensor, Source::kDonor, &tensor};
    entry.info.name = fmt::format("blk.{}.{}", split.block - donor_head.first_block + trunk_blocks, split.name);
    if (tensor.is_vector() && tensor.type != tensor_type::kF32) {
      entry.info.type = tensor_type::kF32;
      entry.info.size_bytes = tensor.element_count() * sizeof(float);
      entry.values = &head_data.vectors[i].value();
    }
    plan.head_bytes += entry.info.size_bytes;
    plan.head_tensors.push_back({entry.info.name, tensor.name, entry.info, tensor.type});
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<TensorEntry> keep_trunk(const GgufFile& model, const Head& head, std::size_t count,
                                    std::vector<std::string>& removed) {
  const std::set<std::size_t> head_tensors(head.tensors.begin(), head.tensors.end());
  std::vector<TensorEntry> entries;
  entries.reserve(count);
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    if (head_tensors.contains(i)) {
      removed.push_back(model.tensors[i].name);
    } else if (i < count) {
      entries.push_back(keep_tensor(model.tensors[i]));
    }
  }
  return entries;
}

void take_offsets(const std::vector<TensorEntry>& tensors, Plan& plan) {
  const auto first = tensors.size() - plan.head_tensors.size();
  for (std::size_t i = 0; i < plan.head_tensors.size(); ++i) {
    plan.head_tensors[i].info.offset = tensors[first + i].info.offset;
  }
}

}  // namespace mtpgraft
