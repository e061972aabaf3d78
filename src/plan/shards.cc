#include "plan/shards.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "gguf/format.h"
#include "gguf/serialize.h"
#include "mtpgraft/split.h"
#include "plan/layout.h"

namespace mtpgraft {
namespace {

constexpr auto kSplitKeys = std::to_array({kSplitNumberKey, kSplitCountKey, kSplitTensorsKey});

template <class T>
GgufValue number_value(ValueType type, T number) {
  GgufValue value{type, type, 1, {}};
  append_value(value.bytes, number);
  return value;
}

// In the order of kSplitKeys.
std::array<GgufValue, kSplitKeys.size()> split_values(std::size_t number, std::size_t file_count,
                                                      std::size_t tensor_count) {
  return {number_value(ValueType::kU16, static_cast<std::uint16_t>(number)),
          number_value(ValueType::kU16, static_cast<std::uint16_t>(file_count)),
          number_value(ValueType::kI32, static_cast<std::int32_t>(tensor_count))};
}

}  // namespace

Result<OtherFiles> arrange_files(const GgufFile& target, const Head& head, Split split) {
  OtherFiles others;
  if (split == Split::kMerge || (split == Split::kAsTarget && !target.is_split())) {
    return others;
  }
  const auto& files = target.files;
  std::vector<std::size_t> head_tensors(files.size());
  for (const auto index : head.tensors) {
    const auto file = std::ranges::upper_bound(files, target.tensors[index].info_offset, {}, &Shard::offset) - 1;
    ++head_tensors[static_cast<std::size_t>(file - files.begin())];
  }
  bool has_place = false;
  for (std::size_t i = 1; i < files.size(); ++i) {
    if (head_tensors[i] == 0) {
      others.emplace_back(i);
      continue;
    }
    if (head_tensors[i] != files[i].tensor_count || head_tensors[i] != head.tensors.size()) {
      return Error{.code = ErrorCode::kUnsupported,
                   .message = fmt::format(
                       "the target's old head has {} tensors in shard {} of {}, and that is not its own file: {}",
                       head_tensors[i], i + 1, files.size(),
                       head_tensors[i] == files[i].tensor_count ? "the others stand elsewhere"
                                                                : "the trunk has tensors there too"),
                   .path = files[i].path,
                   .remedy = Remedy::kMergeShards};
    }
    // The new head takes its place, since the number of a shard stands in the shard.
    others.emplace_back(std::nullopt);
    has_place = true;
  }
  if (!has_place) {
    others.emplace_back(std::nullopt);
  }
  return others;
}

KeyList set_split_keys(std::size_t file_count, std::size_t tensor_count, KeyList keys) {
  if (file_count == 1) {
    for (const auto key : kSplitKeys) {
      remove_key(keys, key);
    }
    return keys;
  }
  const auto values = split_values(0, file_count, tensor_count);
  for (std::size_t i = 0; i < kSplitKeys.size(); ++i) {
    const auto* entry = find_key(keys, kSplitKeys[i]);
    if (entry == nullptr || entry->item == nullptr || entry->item->complete_value() != values[i]) {
      set_key(keys, kSplitKeys[i], values[i]);
    }
  }
  return keys;
}

std::uint64_t split_count(const KeyList& keys) {
  const auto* entry = find_key(keys, kSplitCountKey);
  const auto value = entry != nullptr ? entry->complete_value() : std::nullopt;
  const auto count = value ? value->unsigned_at() : std::nullopt;
  return std::max<std::uint64_t>(count.value_or(1), 1);
}

FilePlan keep_file(const GgufFile& target, std::size_t index) {
  const auto& shard = target.files[index];
  Layout layout;
  layout.begin(Region::Kind::kHeader);
  // Up to `end` of the composed target, as what was begun last.
  const auto add_up_to = [&](std::uint64_t end) {
    const auto at = shard.offset + layout.size();
    layout.add_copy(Source::kTarget, at, end - at);
  };
  const auto tensors = target.tensors_of_file(index);
  auto info = layout.region_count();
  for (const auto& tensor : tensors) {
    add_up_to(tensor.info_offset);
    layout.begin(Region::Kind::kTensorInfo, layout.keep(tensor.name));
    add_up_to(tensor.info_end);
  }
  for (const auto& tensor : tensors) {
    layout.begin_padding();
    add_up_to(tensor.offset);
    layout.begin(Region::Kind::kTensorData, layout.region(info++).name);
    add_up_to(tensor.offset + tensor.size_bytes);
  }
  layout.begin_padding();
  add_up_to(shard.offset + shard.size);
  FilePlan plan;
  std::move(layout).finish(plan);
  plan.data_offset = 0;  // all of it is the range to be shared with the target
  plan.tensor_count = tensors.size();
  plan.kept_shard = index;
  return plan;
}

Assembly assemble_head_file(const GgufFile& target, std::size_t number, std::size_t file_count,
                            std::size_t tensor_count, std::vector<TensorEntry> tensors) {
  Assembly assembly{.target = target, .keys = {}, .tensors = std::move(tensors), .padded_key = {}};
  const auto values = split_values(number, file_count, tensor_count);
  for (std::size_t i = 0; i < kSplitKeys.size(); ++i) {
    set_key(assembly.keys, kSplitKeys[i], values[i]);
  }
  if (target.alignment != format::kDefaultAlignment) {
    set_key(assembly.keys, "general.alignment", u32_value(static_cast<std::uint32_t>(target.alignment)));
  }
  return assembly;
}

}  // namespace mtpgraft
