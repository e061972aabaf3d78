#include "model/layer_arrays.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "gguf/scalar.h"
#include "model/architectures.h"
#include "model/structure.h"

namespace mtpgraft {
namespace {

// False if the value does not fit into the type.
bool append_element(Bytes& bytes, ValueType type, double value) {
  bool fits = type != ValueType::kBool || (value >= 0 && value <= 1);
  const bool is_scalar = visit_scalar_type(type, [&]<class T>(T) {
    if constexpr (std::is_integral_v<T>) {
      using Limits = std::numeric_limits<T>;
      fits = fits && value >= static_cast<double>(Limits::min()) && value < std::ldexp(1.0, Limits::digits);
    }
    if (fits) {
      append_value(bytes, static_cast<T>(value));
    }
  });
  return is_scalar && fits;
}

// The donor's own value for block `index` of its head, from an array that covers the head or from a scalar.
std::optional<double> donor_value(const KeyValue* theirs, const GgufFile& donor, const Head& head, std::uint64_t index,
                                  bool scalar_counts) {
  if (theirs == nullptr) {
    return std::nullopt;
  }
  if (theirs->value.is_array()) {
    const auto covers_head = theirs->value.element_count == read_depth(donor).block_count;
    return covers_head ? theirs->value.number_at(head.first_block + index) : std::nullopt;
  }
  return scalar_counts ? theirs->value.number_at() : std::nullopt;
}

BlockPart part_of(std::string_view name) {
  return name.starts_with("attention.") ? BlockPart::kAttention
         : name.starts_with("feed_forward_") || name.starts_with("expert_") || name.starts_with("swiglu_")
             ? BlockPart::kFeedForward
             : BlockPart::kAll;
}

// The entry of the last trunk block whose tensors, those that the key is about, have the shapes of the head's. 0 stands
// for "this layer has none". Of a key that nobody knows, all such blocks must have the same entry.
std::optional<double> value_of_like_block(const KeyValue& item, std::string_view name, bool is_known,
                                          const LikeBlocks& like, std::uint64_t index) {
  std::optional<double> value;
  for (const auto block : like.find(index, part_of(name))) {
    const auto entry = item.value.number_at(block);
    if (!is_known && value && entry != value) {
      return std::nullopt;
    }
    value = entry;
  }
  return value;
}

// The donor has a head, and no entry for it.
bool is_trunk_length_in(const GgufFile& donor, const Head& head, const KeyValue* theirs) {
  const auto depth = read_depth(donor);
  return theirs != nullptr && theirs->value.is_array() && head.block_count > 0 && depth.trunk_blocks > 0 &&
         depth.block_count == depth.trunk_blocks + head.block_count &&
         theirs->value.element_count == depth.trunk_blocks;
}

// The name of an array of the model without "{arch}."; nothing if a head never changes it.
std::optional<std::string_view> per_layer_name(const KeyValue& item, const GgufFile& file) {
  if (!item.value.is_array()) {
    return std::nullopt;
  }
  const auto prefix = fmt::format("{}.", file.architecture());
  if (!item.key.starts_with(prefix)) {
    return std::nullopt;
  }
  const auto name = std::string_view(item.key).substr(prefix.size());
  const auto* known = find_layer_array(file.architecture(), name);
  const bool stays =
      known != nullptr && (known->rule == ArrayRule::kTrunkOnly || known->rule == ArrayRule::kNotPerLayer);
  return stays ? std::nullopt : std::optional(name);
}

// The elements of the first blocks, as far as they are held.
Bytes first_elements(const KeyValue& item, std::uint64_t count) {
  const auto bytes =
      std::min<std::uint64_t>(count * value_type_bytes(item.value.element_type), item.value.bytes.size());
  return {item.value.bytes.begin(), item.value.bytes.begin() + static_cast<std::ptrdiff_t>(bytes)};
}

}  // namespace

std::optional<GgufValue> cut_layer_array(const KeyValue& item, const GgufFile& file, std::uint64_t trunk_blocks) {
  const bool covers_head =
      trunk_blocks < item.value.element_count && item.value.element_count == read_depth(file).block_count;
  if (!per_layer_name(item, file) || !covers_head || value_type_bytes(item.value.element_type) == 0) {
    return std::nullopt;
  }
  return GgufValue{ValueType::kArray, item.value.element_type, trunk_blocks, first_elements(item, trunk_blocks)};
}

Result<std::optional<GgufValue>> extend_layer_array(const KeyValue& item, const GgufFile& target,
                                                    std::uint64_t trunk_blocks, const GgufFile& donor,
                                                    const Head& donor_head, const LikeBlocks& like) {
  using Unchanged = std::optional<GgufValue>;
  const auto name = per_layer_name(item, target);
  if (!name) {
    return Unchanged{};
  }
  const auto* known = find_layer_array(target.architecture(), *name);
  const auto blocks_before = read_depth(target).block_count.value_or(0);
  const auto blocks_after = trunk_blocks + donor_head.block_count;
  if (item.value.element_count != trunk_blocks && item.value.element_count != blocks_before) {
    if (known == nullptr || known->rule == ArrayRule::kAnyLength) {
      return Unchanged{};
    }
    return Error{.code = ErrorCode::kIncompatible,
                 .message = fmt::format(
                     "key '{}' has {} entries, neither one for each of the {} trunk blocks nor for block_count {}",
                     item.key, item.value.element_count, trunk_blocks, blocks_before),
                 .path = target.path,
                 .offset = item.offset,
                 .hint = "llama.cpp refuses such files; convert the target again"};
  }
  const auto* theirs = donor.find_arch_key(*name);
  // The target's own head, or one that it declares, has no entry either.
  const bool is_trunk_length = item.value.element_count == trunk_blocks && trunk_blocks < blocks_before;
  if (known == nullptr && (is_trunk_length || is_trunk_length_in(donor, donor_head, theirs))) {
    return Unchanged{};
  }
  // A placeholder's arrays may cover the head already, but the head that comes in knows better.
  auto elements = first_elements(item, trunk_blocks);
  for (std::uint64_t i = 0; i < donor_head.block_count; ++i) {
    const bool is_like_block = known != nullptr && known->fill == ArrayFill::kLikeBlock;
    auto value = donor_value(theirs, donor, donor_head, i, is_like_block);
    if (!value && item.value.element_count == blocks_after && blocks_before == blocks_after) {
      value = item.value.number_at(trunk_blocks + i);
    }
    if (known != nullptr && known->fill == ArrayFill::kZero) {
      value = value.value_or(0.0);
    } else if (!value || (*value == 0 && is_like_block && known->rule == ArrayRule::kExtend)) {
      // A 0 stands for "this layer has none", which a head's attention and feed-forward cannot do with.
      value = value_of_like_block(item, *name, known != nullptr, like, i);
    }
    if (!value || !append_element(elements, item.value.element_type, *value)) {
      return Error{
          .code = ErrorCode::kIncompatible,
          .message = fmt::format(
              "key '{}' has one entry for each of {} blocks, and nothing tells the entry of the head's block {}: no "
              "block of the trunk has its shapes",
              item.key, item.value.element_count, trunk_blocks + i),
          .path = target.path,
          .offset = item.offset,
          .hint = "use a donor that has this key with an entry for its head"};
    }
  }
  if (elements == item.value.bytes && item.is_complete()) {
    return Unchanged{};
  }
  return std::optional(GgufValue{ValueType::kArray, item.value.element_type, blocks_after, std::move(elements)});
}

std::vector<std::string> find_array_problems(const GgufFile& file, const Head& head) {
  std::vector<std::string> problems;
  const auto block_count = head.first_block + head.block_count;
  for (const auto& item : file.keys) {
    const auto name = per_layer_name(item, file);
    const auto* known = name ? find_layer_array(file.architecture(), *name) : nullptr;
    if (known == nullptr || known->rule != ArrayRule::kExtend) {
      continue;
    }
    if (item.value.element_count != block_count) {
      problems.push_back(
          fmt::format("key '{}' has {} entries, llama.cpp wants {}", item.key, item.value.element_count, block_count));
      continue;
    }
    bool has_zero = false;
    for (auto i = head.first_block; i < block_count; ++i) {
      has_zero = has_zero || item.value.number_at(i) == 0;
    }
    if (has_zero && known->fill == ArrayFill::kLikeBlock) {
      problems.push_back(fmt::format("key '{}' has an entry of 0 for the head", item.key));
    }
  }
  return problems;
}

}  // namespace mtpgraft
