#include "donor/model_card.h"

#include "net/hub_path.h"
#include "util/lines.h"

namespace mtpgraft {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kAround = " \t\r'\"";
  const auto begin = text.find_first_not_of(kAround);
  return begin == std::string_view::npos ? "" : text.substr(begin, text.find_last_not_of(kAround) - begin + 1);
}

}  // namespace

std::string base_model_of_card(std::string_view text) {
  constexpr std::string_view kFence = "---";
  constexpr std::string_view kKey = "base_model:";
  constexpr std::string_view kItem = "- ";
  const auto lines = lines_of(text);
  if (lines.empty() || trimmed(lines.front()) != kFence) {
    return {};
  }
  for (std::size_t i = 1; i < lines.size() && trimmed(lines[i]) != kFence; ++i) {
    if (!lines[i].starts_with(kKey)) {
      continue;
    }
    auto value = trimmed(lines[i].substr(kKey.size()));
    if (value.empty() && i + 1 < lines.size() && trimmed(lines[i + 1]).starts_with(kItem)) {
      value = trimmed(trimmed(lines[i + 1]).substr(kItem.size()));
    }
    return hub_repository_of(value);
  }
  return {};
}

}  // namespace mtpgraft
