#include "model/layer_arrays.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "gguf/scalar.h"
#include "model/architectures.h"

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

std::optional<double> last_non_zero(const KeyValue& item, std::uint64_t trunk_blocks) {
  for (std::uint64_t i = trunk_blocks; i-- > 0;) {
    const auto value = item.value.number_at(i);
    if (value && *value != 0) {
      return value;
    }
  }
  return std::nullopt;
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
  return known != nullptr && known->rule != ArrayRule::kExtend ? std::nullopt : std::optional(name);
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
                                                    const Head& donor_head) {
  using Unchanged = std::optional<GgufValue>;
  const auto name = per_layer_name(item, target);
  if (!name) {
    return Unchanged{};
  }
  const auto* known = find_layer_array(target.architecture(), *name);
  const auto blocks_before = read_depth(target).block_count.value_or(0);
  const auto blocks_after = trunk_blocks + donor_head.block_count;
  if (item.value.element_count != trunk_blocks && item.value.element_count != blocks_before) {
    if (known == nullptr) {
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
  // A placeholder's arrays may cover the head already, but the head that comes in knows better.
  auto elements = first_elements(item, trunk_blocks);
  for (std::uint64_t i = 0; i < donor_head.block_count; ++i) {
    const auto fill = known != nullptr ? known->fill : ArrayFill::kDonorOrLast;
    auto value = donor_value(theirs, donor, donor_head, i, known != nullptr && fill == ArrayFill::kDonorOrLast);
    if (!value && item.value.element_count == blocks_after && blocks_before == blocks_after) {
      value = item.value.number_at(trunk_blocks + i);
    }
    // A 0 stands for "this layer has none", which a head's attention and feed-forward cannot do with.
    if (known != nullptr && (!value || (*value == 0 && fill == ArrayFill::kDonorOrLast))) {
      value = fill == ArrayFill::kZero ? 0.0 : fill == ArrayFill::kOne ? 1.0 : last_non_zero(item, trunk_blocks);
    }
    if (!value || !append_element(elements, item.value.element_type, *value)) {
      return Error{.code = ErrorCode::kIncompatible,
                   .message = fmt::format(
                       "key '{}' has one entry for each of {} blocks, and nothing tells the entry of the head's block "
                       "{}",
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

}  // namespace mtpgraft
