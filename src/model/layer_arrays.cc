#include "model/layer_arrays.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/architectures.h"

namespace mtpgraft {
namespace {

void append_element(Bytes& bytes, ValueType type, double value) {
  switch (type) {
    case ValueType::kBool:
    case ValueType::kU8:
      return append_value(bytes, static_cast<std::uint8_t>(value));
    case ValueType::kI8:
      return append_value(bytes, static_cast<std::int8_t>(value));
    case ValueType::kU16:
      return append_value(bytes, static_cast<std::uint16_t>(value));
    case ValueType::kI16:
      return append_value(bytes, static_cast<std::int16_t>(value));
    case ValueType::kU32:
      return append_value(bytes, static_cast<std::uint32_t>(value));
    case ValueType::kI32:
      return append_value(bytes, static_cast<std::int32_t>(value));
    case ValueType::kU64:
      return append_value(bytes, static_cast<std::uint64_t>(value));
    case ValueType::kI64:
      return append_value(bytes, static_cast<std::int64_t>(value));
    case ValueType::kF32:
      return append_value(bytes, static_cast<float>(value));
    case ValueType::kF64:
      return append_value(bytes, value);
    case ValueType::kString:
    case ValueType::kArray:
      return;
  }
}

bool fits(ValueType type, double value) {
  const auto within = [&](double low, double high) { return value >= low && value <= high; };
  switch (type) {
    case ValueType::kBool:
      return within(0, 1);
    case ValueType::kU8:
      return within(0, UINT8_MAX);
    case ValueType::kI8:
      return within(INT8_MIN, INT8_MAX);
    case ValueType::kU16:
      return within(0, UINT16_MAX);
    case ValueType::kI16:
      return within(INT16_MIN, INT16_MAX);
    case ValueType::kU32:
      return within(0, UINT32_MAX);
    case ValueType::kI32:
      return within(INT32_MIN, INT32_MAX);
    case ValueType::kU64:
      return within(0, 0x1p63);
    case ValueType::kI64:
      return within(-0x1p62, 0x1p62);
    case ValueType::kF32:
    case ValueType::kF64:
      return true;
    case ValueType::kString:
    case ValueType::kArray:
      return false;
  }
  return false;
}

// The donor's own value for block `index` of its head, from an array that covers the head or from a scalar.
std::optional<double> donor_value(const KeyValue* theirs, const GgufFile& donor, const Head& head, std::uint64_t index,
                                  bool scalar_counts) {
  if (theirs == nullptr) {
    return std::nullopt;
  }
  if (theirs->is_array()) {
    const auto covers_head = theirs->element_count == read_depth(donor).block_count;
    return covers_head ? theirs->number_at(head.first_block + index) : std::nullopt;
  }
  return scalar_counts ? theirs->number_at() : std::nullopt;
}

std::optional<double> last_non_zero(const KeyValue& item, std::uint64_t trunk_blocks) {
  for (std::uint64_t i = trunk_blocks; i-- > 0;) {
    const auto value = item.number_at(i);
    if (value && *value != 0) {
      return value;
    }
  }
  return std::nullopt;
}

// The name of an array of the model without "{arch}."; nothing if a head never changes it.
std::optional<std::string_view> per_layer_name(const KeyValue& item, const GgufFile& file) {
  if (!item.is_array()) {
    return std::nullopt;
  }
  const auto prefix = fmt::format("{}.", file.architecture());
  if (!item.key.starts_with(prefix)) {
    return std::nullopt;
  }
  const auto name = std::string_view(item.key).substr(prefix.size());
  const auto* known = find_layer_array(file.architecture(), name);
  return known != nullptr && known->rule != ArrayRule::kExtend ? std::nullopt : std::optional(name);
}

// The elements of the first blocks, as far as they are held.
Bytes first_elements(const KeyValue& item, std::uint64_t count) {
  const auto bytes = std::min<std::uint64_t>(count * value_type_bytes(item.element_type), item.kept.size());
  return {item.kept.begin(), item.kept.begin() + static_cast<std::ptrdiff_t>(bytes)};
}

}  // namespace

std::optional<GgufValue> cut_layer_array(const KeyValue& item, const GgufFile& file, std::uint64_t trunk_blocks) {
  const bool covers_head = trunk_blocks < item.element_count && item.element_count == read_depth(file).block_count;
  if (!per_layer_name(item, file) || !covers_head || value_type_bytes(item.element_type) == 0) {
    return std::nullopt;
  }
  return GgufValue{ValueType::kArray, item.element_type, trunk_blocks, first_elements(item, trunk_blocks)};
}

Result<std::optional<GgufValue>> extend_layer_array(const KeyValue& item, const GgufFile& target,
                                                    std::uint64_t trunk_blocks, const GgufFile& donor,
                                                    const Head& donor_head) {
  using Unchanged = std::optional<GgufValue>;
  const auto name = per_layer_name(item, target);
  if (!name) {
    return Unchanged{};
  }
  const auto* known = find_layer_array(target.architecture(), *name);
  const auto blocks_before = read_depth(target).block_count.value_or(0);
  const auto blocks_after = trunk_blocks + donor_head.block_count;
  if (item.element_count != trunk_blocks && item.element_count != blocks_before) {
    if (known == nullptr) {
      return Unchanged{};
    }
    return Error{
        ErrorCode::kIncompatible,
        fmt::format("key '{}' has {} entries, neither one for each of the {} trunk blocks nor for block_count {}",
                    item.key, item.element_count, trunk_blocks, blocks_before),
        target.path, item.offset, "llama.cpp refuses such files; convert the target again"};
  }
  const auto* theirs = donor.find_arch_key(*name);
  // A placeholder's arrays may cover the head already, but the head that comes in knows better.
  auto elements = first_elements(item, trunk_blocks);
  for (std::uint64_t i = 0; i < donor_head.block_count; ++i) {
    const auto fill = known != nullptr ? known->fill : ArrayFill::kDonorOrLast;
    auto value = donor_value(theirs, donor, donor_head, i, known != nullptr && fill == ArrayFill::kDonorOrLast);
    if (!value && item.element_count == blocks_after && blocks_before == blocks_after) {
      value = item.number_at(trunk_blocks + i);
    }
    // A 0 stands for "this layer has none", which a head's attention and feed-forward cannot do with.
    if (known != nullptr && (!value || (*value == 0 && fill == ArrayFill::kDonorOrLast))) {
      value = fill == ArrayFill::kZero ? 0.0 : fill == ArrayFill::kOne ? 1.0 : last_non_zero(item, trunk_blocks);
    }
    if (!value || !fits(item.element_type, *value)) {
      return Error{
          ErrorCode::kIncompatible,
          fmt::format("key '{}' has one entry for each of {} blocks, and nothing tells the entry of the head's block "
                      "{}",
                      item.key, item.element_count, trunk_blocks + i),
          target.path, item.offset, "use a donor that has this key with an entry for its head"};
    }
    append_element(elements, item.element_type, *value);
  }
  if (elements == item.kept && item.is_complete()) {
    return Unchanged{};
  }
  return std::optional(GgufValue{ValueType::kArray, item.element_type, blocks_after, std::move(elements)});
}

}  // namespace mtpgraft
