#include "util/json_limits.h"

#include <fmt/core.h>

#include <vector>

namespace mtpgraft {
namespace {

constexpr std::size_t kDepthMax = 64;

}  // namespace

std::optional<JsonExcess> find_json_excess(std::string_view text, const JsonLimits& limits) {
  std::vector<std::size_t> open;  // for each list or object, its colons so far
  std::size_t separators = 0;
  std::size_t number_bytes = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    switch (text[at]) {
      case '"': {
        const auto start = at++;
        while (at < text.size() && text[at] != '"') {
          at += text[at] == '\\' ? 2 : 1;
        }
        if (at - start > limits.token_bytes) {
          return JsonExcess{fmt::format("has a string of more than {} bytes", limits.token_bytes), start};
        }
        break;
      }
      case '[':
      case '{':
        if (open.size() == kDepthMax) {
          return JsonExcess{fmt::format("is nested more than {} levels deep", kDepthMax), at};
        }
        open.push_back(0);
        break;
      case ']':
      case '}':
        if (!open.empty()) {
          open.pop_back();
        }
        break;
      case ',':
      case ':':
        if (++separators > limits.separators) {
          return JsonExcess{fmt::format("has more than {} commas and colons", limits.separators), at};
        }
        if (text[at] == ':' && !open.empty() && ++open.back() > limits.object_keys) {
          return JsonExcess{fmt::format("has more than {} keys in one object", limits.object_keys), at};
        }
        break;
      case '\0':
        return JsonExcess{"has a zero byte", at};
      case ' ':
      case '\t':
      case '\r':
      case '\n':
        break;
      default:
        if (++number_bytes > limits.token_bytes) {
          return JsonExcess{fmt::format("has a word of more than {} bytes", limits.token_bytes), at};
        }
        continue;
    }
    number_bytes = 0;
  }
  return std::nullopt;
}

}  // namespace mtpgraft
