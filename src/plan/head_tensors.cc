#include "plan/head_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "gguf/describe.h"
#include "gguf/serialize.h"
#include "gguf/tensor_types.h"
#include "model/compatibility.h"
#include "model/layer_arrays.h"

namespace mtpgraft {
namespace {

std::string describe_extension(const GgufValue& value, std::uint64_t trunk_blocks) {
  std::vector<std::string> added;
  for (auto i = trunk_blocks; i < value.element_count; ++i) {
    added.push_back(describe_element(value, i));
  }
  return fmt::format("{} entries, the head's: {}", value.element_count, fmt::join(added, ", "));
}

constexpr std::string_view kBlockCount = "block_count";
constexpr std::string_view kHeadBlockCount = "nextn_predict_layers";

// Loaders take no other type than u32.
void set_depth_key(const GgufFile& model, std::string_view name, std::uint64_t number, KeyList& keys) {
  const auto* item = model.find_arch_key(name);
  if (item == nullptr || item->value.type != ValueType::kU32 || item->value.unsigned_at() != number) {
    set_key(keys, fmt::format("{}.{}", model.architecture(), name), u32_value(static_cast<std::uint32_t>(number)));
  }
}

KeyChange describe_head_change(const HeadPlacement& placement, const KeyDifference& difference) {
  auto change = describe_change(difference);
  const auto* before = difference.before != nullptr ? difference.before->item : nullptr;
  const auto* after = difference.after;
  if (before != nullptr && before->value.is_array() && after != nullptr && after->value.is_array() &&
      after->value.element_type != ValueType::kString && after->value.element_count == placement.block_count()) {
    change.from = fmt::format("{} entries", before->value.element_count);
    change.to = describe_extension(after->value, placement.trunk_blocks);
  }
  return change;
}

}  // namespace

Result<KeyList> set_head_keys(const HeadPlacement& placement, KeyList keys) {
  const auto& target = placement.target;
  const LikeBlocks like(target, placement.trunk_blocks, placement.donor, placement.head);
  for (auto& entry : keys) {
    if (entry.item == nullptr) {
      continue;
    }
    MTPGRAFT_TRY(auto value, extend_layer_array(*entry.item, target, placement.trunk_blocks, placement.donor,
                                                placement.head, like));
    if (value) {
      entry = {entry.key, nullptr, std::move(*value)};
    }
  }
  for (const auto* item : find_misnamed_head_keys(target)) {
    remove_key(keys, item->key);
  }
  set_depth_key(target, kBlockCount, placement.block_count(), keys);
  set_depth_key(target, kHeadBlockCount, placement.head.block_count, keys);
  return keys;
}

KeyList mend_depth_keys(const GgufFile& model, KeyList keys) {
  for (const auto name : {kBlockCount, kHeadBlockCount}) {
    const auto* item = model.find_arch_key(name);
    if (const auto number = item != nullptr ? item->value.unsigned_at() : std::nullopt) {
      set_depth_key(model, name, *number, keys);
    }
  }
  return keys;
}

bool is_depth_key(const GgufFile& model, std::string_view key) {
  const auto architecture = model.architecture();
  return key == fmt::format("{}.block_count", architecture) ||
         key == fmt::format("{}.nextn_predict_layers", architecture);
}

std::vector<KeyChange> describe_head_changes(const HeadPlacement& placement, const KeyList& keys,
                                             const std::vector<KeyEdit>& edits) {
  const auto before = keys_of(placement.target);
  std::vector<std::pair<std::ptrdiff_t, KeyChange>> ranked;
  for (const auto& difference : diff_keys(before, keys)) {
    const auto edit =
        std::find_if(edits.rbegin(), edits.rend(), [&](const KeyEdit& each) { return each.key == difference.key(); });
    if (edit != edits.rend()) {
      ranked.emplace_back(edits.rend() - edit, describe_change(difference));
    } else {
      ranked.emplace_back(is_depth_key(placement.target, difference.key()) ? -1 : 0,
                          describe_head_change(placement, difference));
    }
  }
  std::ranges::stable_sort(ranked, {}, [](const auto& entry) { return entry.first; });
  std::vector<KeyChange> changes;
  changes.reserve(ranked.size());
  for (auto& [rank, change] : ranked) {
    changes.push_back(std::move(change));
  }
  return changes;
}

Status check_head_data(const GgufFile& donor, const Head& head, const HeadData& data) {
  const auto fits = [&](std::size_t i) {
    const auto& tensor = donor.tensors[head.tensors[i]];
    const auto& values = data.vectors[i];
    return values ? values->size() == tensor.element_count() : !tensor.is_vector() || tensor.type == tensor_type::kF32;
  };
  bool is_of_donor = data.vectors.size() == head.tensors.size();
  for (std::size_t i = 0; is_of_donor && i < head.tensors.size(); ++i) {
    is_of_donor = fits(i);
  }
  if (!is_of_donor) {
    return Error{.code = ErrorCode::kUsage,
                 .message = "the data of the head are not those of the donor",
                 .path = donor.path,
                 .hint = "read_head_data() reads them"};
  }
  return ok_status();
}

std::vector<TensorEntry> rename_head(const HeadPlacement& placement) {
  const auto& [target, trunk_blocks, donor, head, data] = placement;
  std::vector<TensorEntry> entries;
  entries.reserve(head.tensors.size());
  for (std::size_t i = 0; i < head.tensors.size(); ++i) {
    const auto& tensor = donor.tensors[head.tensors[i]];
    const auto split = split_block_name(tensor.name).value();
    TensorEntry entry{Source::kDonor, &tensor};
    auto info = tensor;
    info.name = fmt::format("blk.{}.{}", split.block - head.first_block + trunk_blocks, split.name);
    if (tensor.is_vector() && tensor.type != tensor_type::kF32) {
      info.type = tensor_type::kF32;
      info.size_bytes = tensor.element_count() * sizeof(float);
      entry.values = &data.vectors[i].value();
    }
    entry.other = std::make_shared<TensorInfo>(std::move(info));
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<HeadTensor> describe_head(const std::vector<TensorEntry>& head) {
  std::vector<HeadTensor> tensors;
  tensors.reserve(head.size());
  for (const auto& entry : head) {
    auto info = entry.in_output();
    info.offset = entry.offset;
    tensors.push_back({info.name, entry.from->name, info, entry.from->type});
  }
  return tensors;
}

std::vector<TensorEntry> keep_trunk(const GgufFile& model, const Head& head, std::size_t count) {
  const std::unordered_set<std::size_t> head_tensors(head.tensors.begin(), head.tensors.end());
  std::vector<TensorEntry> entries;
  entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!head_tensors.contains(i)) {
      entries.push_back(keep_tensor(model.tensors[i]));
    }
  }
  return entries;
}

std::vector<std::string> names_of_head(const GgufFile& model, const Head& head) {
  std::vector<std::string> names;
  for (const auto index : head.tensors) {
    names.push_back(model.tensors[index].name);
  }
  return names;
}

}  // namespace mtpgraft
