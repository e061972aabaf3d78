#include "release/field_hint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "release/graft_options.h"
#include "util/parse.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

struct FieldSynonym {
  std::string_view word;
  std::string_view field;
};

// What fields are called elsewhere.
constexpr auto kFieldSynonyms = std::to_array<FieldSynonym>({
    {"model", "target"},
    {"base", "target"},
    {"input", "target"},
    {"file", "target"},
    {"source", "donor"},
    {"head", "donor"},
    {"draft", "donor"},
    {"mtp", "donor"},
    {"out", "output"},
    {"outfile", "output"},
    {"name", "output"},
    {"outdir", "output_directory"},
    {"out_dir", "output_directory"},
    {"output_dir", "output_directory"},
    {"directory", "output_directory"},
    {"models", "grafts"},
    {"entries", "grafts"},
    {"items", "grafts"},
    {"files", "grafts"},
    {"version", "schema_version"},
    {"schema", "schema_version"},
    {"type", "head_type"},
    {"dtype", "head_type"},
    {"quant", "head_type"},
});

// Of the command line: "--head-type" and "donor-path" are head_type and donor.
std::string plain_field(std::string_view key) {
  auto plain = lowered(key.substr(std::min(key.find_first_not_of('-'), key.size())));
  std::ranges::replace(plain, '-', '_');
  for (const std::string_view ending : {"_path", "_file", "_name"}) {
    if (plain.size() > ending.size() && plain.ends_with(ending)) {
      plain.resize(plain.size() - ending.size());
    }
  }
  return plain;
}

}  // namespace

std::string hint_at_field(std::string_view key, const std::vector<std::string_view>& names) {
  const auto has = [](const auto& list, std::string_view name) { return std::ranges::find(list, name) != list.end(); };
  const auto plain = plain_field(key);
  if (plain == "from_base") {
    return R"(write "donor": "from-base")";
  }
  const auto synonym = std::ranges::find(kFieldSynonyms, plain, &FieldSynonym::word);
  const auto field = synonym != kFieldSynonyms.end() && has(names, synonym->field) ? synonym->field : plain;
  if (has(names, field)) {
    return fmt::format("did you mean {}?", field);
  }
  if (const auto near = nearest(key, names); !near.empty()) {
    return fmt::format("did you mean {}?", near);
  }
  const auto options = graft_options();
  if (std::ranges::find(options, plain, &GraftOption::name) != options.end()) {
    return fmt::format(R"(put it into "options": {{"{}": ...}})", plain);
  }
  constexpr auto kOfCommand = std::to_array<std::string_view>({"force", "jobs", "dry_run", "no_sync"});
  if (has(kOfCommand, plain)) {
    return "it is an option of the command, not a field of the plan";
  }
  constexpr auto kOfGraft = std::to_array<std::string_view>({"target", "donor", "output"});
  return has(kOfGraft, plain) && !has(names, "donor") ? fmt::format(R"("{}" belongs to an entry of "grafts")", plain)
                                                      : fmt::format("it can be {}", fmt::join(names, ", "));
}

}  // namespace mtpgraft
