#include "release/graft_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "mtpgraft/option_names.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

Error not_in(std::string_view value, std::string_view choices) {
  return {.code = ErrorCode::kUsage, .message = fmt::format("{} not in {{{}}}", value, choices)};
}

template <class T, std::size_t N>
Status choose(const Names<T, N>& names, const std::string& value, T& chosen) {
  const auto found = std::ranges::find(names, value, [](const auto& entry) { return entry.first; });
  if (found == names.end()) {
    std::string choices;
    for (const auto& [name, ignored] : names) {
      choices += fmt::format("{}{}", choices.empty() ? "" : ",", name);
    }
    return not_in(value, choices);
  }
  chosen = found->second;
  return ok_status();
}

template <bool GraftRequest::*Flag>
Status set_flag(GraftRequest& request, const std::string& /*value*/) {
  request.*Flag = true;
  return ok_status();
}

Status set_split(GraftRequest& request, Split split) {
  request.split = split;
  return ok_status();
}

Status set_norm_offset(GraftRequest& request, const std::string& value) {
  if (value != "0" && value != "1") {
    return not_in(value, "0,1");
  }
  request.donor.norm_offset = value == "1" ? 1 : 0;
  return ok_status();
}

Status set_yarn(GraftRequest& request, const std::string& value) {
  const auto factor = parse_number<double>(value);
  if (!factor) {
    return Error{.code = ErrorCode::kUsage, .message = fmt::format("{} is not a number", value)};
  }
  request.yarn_factor = factor;
  return ok_status();
}

Status set_edit(GraftRequest& request, const std::string& value) {
  MTPGRAFT_TRY(auto edit, parse_key_edit(value));
  request.edits.push_back(std::move(edit));
  return ok_status();
}

Status set_file_edit(GraftRequest& request, const std::string& value) {
  MTPGRAFT_TRY(auto edit, parse_file_edit(value));
  request.edits.push_back(std::move(edit));
  return ok_status();
}

constexpr auto kGraftOptions = std::to_array<GraftOption>({
    {"replace", OptionKind::kFlag, RequestField::kNone, set_flag<&GraftRequest::replace>},
    {"strict", OptionKind::kFlag, RequestField::kStrict, set_flag<&GraftRequest::strict>},
    {"no_record", OptionKind::kFlag, RequestField::kNone, set_flag<&GraftRequest::no_record>},
    {"source_digests", OptionKind::kFlag, RequestField::kNone, set_flag<&GraftRequest::source_digests>},
    {"head_type", OptionKind::kText, RequestField::kHeadType,
     [](GraftRequest& request, const std::string& value) {
       request.donor.head_type = value;
       return ok_status();
     }},
    {"ggml", OptionKind::kText, RequestField::kGgml,
     [](GraftRequest& request, const std::string& value) {
       request.donor.ggml_path = value;
       return ok_status();
     }},
    {"norm_offset", OptionKind::kInteger, RequestField::kNormOffset, set_norm_offset},
    {"no_cache", OptionKind::kFlag, RequestField::kNone,
     [](GraftRequest& request, const std::string& /*value*/) {
       request.donor.remote.no_cache = true;
       return ok_status();
     }},
    {"allow_http", OptionKind::kFlag, RequestField::kNone,
     [](GraftRequest& request, const std::string& /*value*/) {
       request.donor.remote.allow_http = true;
       return ok_status();
     }},
    {"set", OptionKind::kTextList, RequestField::kSet, set_edit},
    {"set_file", OptionKind::kTextList, RequestField::kSetFile, set_file_edit},
    {"unset", OptionKind::kTextList, RequestField::kUnset,
     [](GraftRequest& request, const std::string& value) {
       request.edits.push_back({value, std::nullopt});
       return ok_status();
     }},
    {"yarn", OptionKind::kNumber, RequestField::kYarn, set_yarn},
    {"merge", OptionKind::kFlag, RequestField::kNone,
     [](GraftRequest& request, const std::string& /*value*/) { return set_split(request, Split::kMerge); }},
    {"split_head", OptionKind::kFlag, RequestField::kNone,
     [](GraftRequest& request, const std::string& /*value*/) { return set_split(request, Split::kHead); }},
    {"link", OptionKind::kText, RequestField::kNone,
     [](GraftRequest& request, const std::string& value) { return choose(kLinkNames, value, request.output.link); }},
    {"copy", OptionKind::kText, RequestField::kNone,
     [](GraftRequest& request,
        const std::string& value) { return choose(kCopyMethodNames, value, request.output.copy); }},
});

}  // namespace

RequestField field_of(std::string_view name) {
  const auto* found = std::ranges::find(kGraftOptions, name, &GraftOption::name);
  return found != kGraftOptions.end() ? found->field : RequestField::kNone;
}

std::string with_path(const ReleaseOption& option, const std::function<std::string(const std::string& path)>& change) {
  if (option.name == "ggml") {
    return change(option.value);
  }
  const auto equals = option.value.find('=');
  return option.name == "set_file" && equals != std::string::npos
             ? option.value.substr(0, equals + 1) + change(option.value.substr(equals + 1))
             : option.value;
}

std::span<const GraftOption> graft_options() { return kGraftOptions; }

}  // namespace mtpgraft
