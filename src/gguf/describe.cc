#include "gguf/describe.h"

#include <fmt/format.h>

#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::size_t kShownElements = 6;
// A pattern over the layers is worth reading as a whole.
constexpr std::uint64_t kShownLayers = 128;
constexpr std::size_t kShownCharacters = 72;

}  // namespace

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

std::string quote(std::string_view text) {
  const auto shown = printable(text.substr(0, kShownCharacters));
  return text.size() <= kShownCharacters ? fmt::format("\"{}\"", shown)
                                         : fmt::format("\"{}... ({} bytes)\"", shown, text.size());
}

std::string describe_value(const KeyValue& item) {
  if (item.type == ValueType::kString) {
    return quote({reinterpret_cast<const char*>(item.kept.data()), item.kept.size()});
  }
  if (!item.is_array()) {
    return describe_element(item);
  }
  std::vector<std::string> shown;
  if (item.element_type == ValueType::kString) {
    for (const auto text : item.kept_strings()) {
      if (shown.size() == kShownElements) {
        break;
      }
      shown.push_back(quote(text));
    }
  } else {
    const auto limit = item.element_count <= kShownLayers ? item.element_count : kShownElements;
    shown.reserve(limit);
    for (std::uint64_t i = 0; i < limit; ++i) {
      shown.push_back(describe_element(item, i));
    }
  }
  return fmt::format("[{}{}]", fmt::join(shown, ", "), shown.size() < item.element_count ? ", ..." : "");
}

std::string describe_type(const KeyValue& item) {
  return item.is_array() ? fmt::format("{}[{}]", value_type_name(item.element_type), item.element_count)
                         : std::string(value_type_name(item.type));
}

}  // namespace mtpgraft
