#include "mtpgraft/key_edits.h"

#include <fmt/core.h>

#include <cmath>

#include "gguf/format.h"
#include "gguf/serialize.h"
#include "plan/value_json.h"
#include "util/json.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

// From here on it is the length of a context that somebody gave for the factor.
constexpr double kLengthMin = 4096;

// Of "general.name=Foo" only the type is missing: what is general is text, but for a few numbers.
std::string advise_form(std::string_view text, std::size_t equals) {
  const auto value = equals < text.size() ? text.substr(equals + 1) : "";
  const bool is_text = text.starts_with("general.") && !value.empty() && !parse_json<Json>(value).ok();
  return is_text ? fmt::format("for text: {}", shell_quoted(fmt::format("{}=str:{}", text.substr(0, equals), value)))
                 : "for example qwen35.context_length=u32:262144";
}

}  // namespace

Result<KeyEdit> parse_key_edit(std::string_view text) {
  const auto equals = text.find('=');
  const auto colon = equals != std::string_view::npos ? text.find(':', equals) : equals;
  if (equals == 0 || equals > format::kKeyBytesMax || colon == std::string_view::npos) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("'{}' is not KEY=TYPE:VALUE", text),
                 .hint = advise_form(text, equals)};
  }
  const auto key = text.substr(0, equals);
  const auto type = text.substr(equals + 1, colon - equals - 1);
  const auto value = text.substr(colon + 1);
  const bool is_string = type == "str" || type == "string";
  const auto json = is_string ? Result<Json>(Json(std::string(value))) : parse_json<Json>(value);
  if (!json.ok()) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("the value for key '{}' is no {}: {}", key, type, value),
                 .hint = R"(numbers, true, false and arrays are written as in JSON: f32:0.5, str[]:["a","b"])"};
  }
  MTPGRAFT_TRY(auto parsed, parse_value(key, type, json.value()));
  return KeyEdit{std::string(key), std::move(parsed)};
}

Result<KeyEdit> parse_file_edit(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == 0 || equals == std::string_view::npos || equals > format::kKeyBytesMax || equals + 1 == text.size()) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("'{}' is not KEY=FILE", text),
                 .hint = "for example tokenizer.chat_template=template.jinja"};
  }
  return KeyEdit{std::string(text.substr(0, equals)), std::nullopt, std::string(text.substr(equals + 1))};
}

Result<std::vector<KeyEdit>> make_yarn_edits(const GgufFile& target, double factor) {
  const auto read = [&](std::string_view name) {
    const auto* item = target.find_arch_key(name);
    return item != nullptr && !item->value.is_array() ? item->value.unsigned_at() : std::nullopt;
  };
  // What an earlier extension started from.
  auto trained = read("rope.scaling.original_context_length");
  trained = trained ? trained : read("context_length");
  if (!trained || *trained == 0) {
    return Error{
        .code = ErrorCode::kIncompatible,
        .message = fmt::format("key '{}.context_length' is absent: YaRN cannot tell what the target was trained with",
                               target.architecture()),
        .path = target.path,
        .remedy = Remedy::kSetKeys,
        .subject = std::string(target.architecture())};
  }
  const auto extended = std::round(static_cast<double>(*trained) * factor);
  if (!(factor > 1) || extended > UINT32_MAX) {
    return Error{
        .code = ErrorCode::kUsage,
        .message = fmt::format("{}: the factor must be above 1, and {} tokens times it below 2^32", factor, *trained),
        .field = RequestField::kYarn,
        .remedy = Remedy::kGiveYarnFactor};
  }
  if (factor >= kLengthMin) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("{}: this is a length, and a factor is wanted", factor),
                 .hint = factor > static_cast<double>(*trained)
                             ? fmt::format("{} tokens are {:g} times the {} that the target was trained with", factor,
                                           factor / static_cast<double>(*trained), *trained)
                             : "",
                 .field = RequestField::kYarn,
                 .remedy = Remedy::kGiveYarnFactor};
  }
  const auto edit = [&](std::string_view name, GgufValue value) {
    return KeyEdit{fmt::format("{}.{}", target.architecture(), name), std::move(value)};
  };
  return std::vector<KeyEdit>{
      edit("rope.scaling.type", string_value("yarn")),
      edit("rope.scaling.factor", f32_value(static_cast<float>(factor))),
      edit("rope.scaling.original_context_length", u32_value(static_cast<std::uint32_t>(*trained))),
      edit("context_length", u32_value(static_cast<std::uint32_t>(extended)))};
}

}  // namespace mtpgraft
