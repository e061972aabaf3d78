#include "gguf/describe.h"

#include <fmt/core.h>

namespace mtpgraft {

std::string describe_element(const KeyValue& item, std::uint64_t index) {
  if (const auto integer = item.integer_at(index)) {
    return item.element_type == ValueType::kBool ? fmt::format("{}", *integer != 0) : fmt::format("{}", *integer);
  }
  if (const auto large = item.unsigned_at(index)) {
    return fmt::format("{}", *large);
  }
  const auto number = item.number_at(index);
  if (!number) {
    return "?";
  }
  return item.element_type == ValueType::kF32 ? fmt::format("{}", static_cast<float>(*number))
                                              : fmt::format("{}", *number);
}

std::string describe_type(const KeyValue& item) {
  return item.is_array() ? fmt::format("{}[{}]", value_type_name(item.element_type), item.element_count)
                         : std::string(value_type_name(item.type));
}

}  // namespace mtpgraft
