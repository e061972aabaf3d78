#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "release/field_hint.h"
#include "release/graft_options.h"
#include "release/release_plan.h"
#include "util/json.h"
#include "util/json_fault.h"

namespace mtpgraft {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSchemaVersion = 1;

// A plan comes from others, too; what a real one does not come near. For each object the parser looks through all that
// came before it in its list.
constexpr JsonLimits kJsonLimits{.separators = std::size_t{1} << 16, .object_keys = 1000};
constexpr std::size_t kOptionsMax = 100'000;  // of all grafts together, each with the defaults

enum class Kind { kText, kTextList, kFlag, kInteger, kNumber, kObject, kArray };

struct Field {
  std::string_view name;
  Kind kind;
};

constexpr auto kPlanFields = std::to_array<Field>({{"schema_version", Kind::kInteger},
                                                   {"output_directory", Kind::kText},
                                                   {"defaults", Kind::kObject},
                                                   {"grafts", Kind::kArray}});
constexpr auto kDefaultsFields = std::to_array<Field>({{"donor", Kind::kText}, {"options", Kind::kObject}});
constexpr auto kGraftFields = std::to_array<Field>(
    {{"target", Kind::kText}, {"donor", Kind::kText}, {"output", Kind::kText}, {"options", Kind::kObject}});

Kind kind_of(OptionKind kind) {
  switch (kind) {
    case OptionKind::kText:
      return Kind::kText;
    case OptionKind::kTextList:
      return Kind::kTextList;
    case OptionKind::kFlag:
      return Kind::kFlag;
    case OptionKind::kInteger:
      return Kind::kInteger;
    case OptionKind::kNumber:
      break;
  }
  return Kind::kNumber;
}

std::vector<Field> option_fields() {
  std::vector<Field> fields;
  for (const auto& option : graft_options()) {
    fields.push_back({option.name, kind_of(option.kind)});
  }
  return fields;
}

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kText:
      return "a string that is not empty";
    case Kind::kTextList:
      return "a list of strings";
    case Kind::kFlag:
      return "true or false";
    case Kind::kInteger:
      return "an integer";
    case Kind::kNumber:
      return "a number";
    case Kind::kObject:
      return "an object";
    case Kind::kArray:
      return "a list";
  }
  return "";
}

// A path with a NUL in it would be cut there by the system.
bool is_text(const Json& json) {
  return json.is_string() && !json.get_ref<const std::string&>().empty() &&
         json.get_ref<const std::string&>().find('\0') == std::string::npos;
}

bool is_of_kind(const Json& json, Kind kind) {
  switch (kind) {
    case Kind::kText:
      return is_text(json);
    case Kind::kTextList:
      return json.is_array() && std::ranges::all_of(json, is_text);
    case Kind::kFlag:
      return json.is_boolean();
    case Kind::kInteger:
      return json.is_number_integer();
    case Kind::kNumber:
      return json.is_number();
    case Kind::kObject:
      return json.is_object();
    case Kind::kArray:
      return json.is_array();
  }
  return false;
}

std::string option_text(const Json& json) { return json.is_string() ? json.get<std::string>() : json.dump(); }

// "/" and "~" of a key, as JSON pointers write them.
std::string pointer_to(const std::string& parent, std::string_view key) {
  std::string pointer = parent + '/';
  for (const char c : key) {
    pointer += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return pointer;
}

// Notes keys that stand twice in one object, of which nlohmann keeps the last. Called for every event of the parser.
class DuplicateFinder {
 public:
  void see(Json::parse_event_t event, const Json& parsed) {
    using Event = Json::parse_event_t;
    if (event == Event::object_end || event == Event::array_end) {
      open_.pop_back();
      return;
    }
    if (event == Event::key) {
      auto& object = open_.back();
      object.step = pointer_to("", parsed.get_ref<const std::string&>());
      if (!object.keys.insert(object.step).second) {
        duplicates.push_back(pointer());
      }
      return;
    }
    if (!open_.empty() && open_.back().is_array) {
      open_.back().step = fmt::format("/{}", open_.back().count++);
    }
    if (event != Event::value) {
      open_.push_back({.is_array = event == Event::array_start});
    }
  }

  std::vector<std::string> duplicates;

 private:
  struct Level {
    bool is_array = false;
    std::size_t count = 0;
    std::string step{};
    std::set<std::string> keys{};
  };

  [[nodiscard]] std::string pointer() const {
    std::string text;
    for (const auto& level : open_) {
      text += level.step;
    }
    return text;
  }

  std::vector<Level> open_;
};

std::string text_of(const Json& json) { return json.get<std::string>(); }

// Whether it would be right without its quotes.
bool is_quoted(const Json& value, Kind kind) {
  if (!value.is_string()) {
    return false;
  }
  const bool is_plain = kind == Kind::kFlag || kind == Kind::kInteger || kind == Kind::kNumber;
  const auto plain = parse_json<Json>(text_of(value), kJsonLimits);
  return is_plain && plain.ok() && is_of_kind(plain.value(), kind);
}

class Parser {
 public:
  Parser(const std::string& path, std::vector<Error>& problems) : path_(path), problems_(problems) {}

  ReleasePlan parse(std::string_view text) {
    DuplicateFinder finder;
    auto parsed = parse_json<Json>(text, kJsonLimits, [&](int /*depth*/, Json::parse_event_t event, const Json& value) {
      finder.see(event, value);
      return true;
    });
    if (!parsed.ok()) {
      problems_.push_back(explain_text(text, std::move(parsed.error())));
      return {};
    }
    for (const auto& pointer : finder.duplicates) {
      refuse(pointer, "stands twice in its object");
    }
    const auto& json = parsed.value();
    if (!json.is_object()) {
      refuse("", "must be an object",
             json.is_array() ? R"(put the list into one: {"schema_version": 1, "grafts": [...]})" : "");
      return {};
    }
    return read_plan(json);
  }

 private:
  [[nodiscard]] Error explain_text(std::string_view text, Error error) const {
    error.path = path_;
    const auto begin = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
    const bool is_brace = begin != std::string_view::npos && (text[begin] == '{' || text[begin] == '[');
    const bool is_utf16 = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
    if (error.code != ErrorCode::kMalformed && !is_utf16) {
      return error;  // more than a plan needs
    }
    if (begin == std::string_view::npos) {
      error.message = "is empty";
      error.hint = kPlanHint;
    } else if (const auto fault = find_json_fault(text)) {
      error.message =
          fmt::format("is not JSON: parse error at {}: {}", text_position(text, fault->offset), fault->what);
      error.offset = fault->offset;
      error.hint = is_brace || is_utf16 ? fault->hint : kPlanHint;
    }
    return error;
  }

  void refuse(const std::string& pointer, std::string_view what, std::string hint = {}) {
    problems_.push_back({.code = ErrorCode::kMalformed,
                         .message = fmt::format("{}: {}", pointer.empty() ? "the plan" : pointer, what),
                         .path = path_,
                         .hint = std::move(hint)});
  }

  // The fields that are known and of the right type; the others are refused.
  Json sound_fields(const Json& object, const std::string& pointer, std::span<const Field> fields) {
    auto sound = Json::object();
    for (const auto& [key, value] : object.items()) {
      const auto field = std::ranges::find(fields, key, &Field::name);
      if (field == fields.end()) {
        std::vector<std::string_view> names;
        for (const auto& each : fields) {
          names.push_back(each.name);
        }
        refuse(pointer_to(pointer, key), "there is no such field", hint_at_field(key, names));
      } else if (!is_of_kind(value, field->kind)) {
        refuse(pointer_to(pointer, key), fmt::format("must be {}", kind_name(field->kind)),
               is_quoted(value, field->kind) ? fmt::format("without quotes: {}", text_of(value)) : "");
      } else {
        sound[key] = value;
      }
    }
    return sound;
  }

  static std::string text_at(const Json& object, std::string_view name) {
    const auto found = object.find(name);
    return found == object.end() ? std::string() : found->get<std::string>();
  }

  // `options` of `object` over those of the defaults: a list is longer by its own, anything else takes the place.
  std::vector<ReleaseOption> read_options(const Json& object, const std::string& pointer,
                                          std::vector<ReleaseOption> options) {
    const auto found = object.find("options");
    if (found == object.end()) {
      return options;
    }
    const auto options_pointer = pointer_to(pointer, "options");
    const auto known = option_fields();
    const auto fields = sound_fields(*found, options_pointer, known);
    for (const auto& [name, kind] : known) {
      const auto value = fields.find(name);
      if (value == fields.end()) {
        continue;
      }
      const auto value_pointer = pointer_to(options_pointer, name);
      const std::string option(name);
      if (kind == Kind::kTextList) {
        for (std::size_t i = 0; i < value->size(); ++i) {
          options.push_back({option, (*value)[i].get<std::string>(), fmt::format("{}/{}", value_pointer, i)});
        }
        continue;
      }
      std::erase_if(options, [&](const ReleaseOption& each) { return each.name == option; });
      if (kind != Kind::kFlag) {
        options.push_back({option, option_text(*value), value_pointer});
      } else if (value->get<bool>()) {
        options.push_back({option, "", value_pointer});
      }
    }
    return options;
  }

  ReleasePlan read_plan(const Json& json) {
    ReleasePlan plan;
    const auto fields = sound_fields(json, "", kPlanFields);
    if (!json.contains("schema_version")) {
      refuse("/schema_version", "is missing", fmt::format("it is {}", kSchemaVersion));
    } else if (fields.contains("schema_version") && fields["schema_version"] != kSchemaVersion) {
      refuse("/schema_version", fmt::format("must be {}", kSchemaVersion));
    }
    plan.output_directory = text_at(fields, "output_directory");
    while (plan.output_directory.size() > 1 && plan.output_directory.ends_with('/')) {
      plan.output_directory.pop_back();
    }
    ReleaseEntry defaults;
    if (const auto found = fields.find("defaults"); found != fields.end()) {
      const auto default_fields = sound_fields(*found, "/defaults", kDefaultsFields);
      defaults.donor = text_at(default_fields, "donor");
      defaults.options = read_options(default_fields, "/defaults", {});
    }
    const bool is_sound = problems_.empty();
    // One that was refused is not missing.
    const bool has_default_donor = json.contains(Json::json_pointer("/defaults/donor"));
    const auto grafts = fields.value("grafts", Json::array());
    if (grafts.empty() && (fields.contains("grafts") || !json.contains("grafts"))) {
      refuse("/grafts", "must be a list of at least one graft");
    }
    for (std::size_t i = 0; i < grafts.size() && option_count_ <= kOptionsMax; ++i) {
      read_entry(grafts[i], fmt::format("/grafts/{}", i), defaults, has_default_donor, plan);
    }
    if (option_count_ > kOptionsMax) {
      refuse("/grafts",
             fmt::format("more than {} options altogether, those of /defaults counted for each graft", kOptionsMax));
    }
    if (!is_sound || option_count_ > kOptionsMax) {
      plan.entries.clear();
    }
    return plan;
  }

  void read_entry(const Json& json, const std::string& pointer, const ReleaseEntry& defaults, bool has_default_donor,
                  ReleasePlan& plan) {
    const auto problem_count = problems_.size();
    if (!json.is_object()) {
      refuse(pointer, "must be an object", R"(such as {"target": "Model-Q4_K_M.gguf", "donor": "mtp-Base-Q8_0.gguf"})");
      return;
    }
    const auto fields = sound_fields(json, pointer, kGraftFields);
    ReleaseEntry entry{pointer, text_at(fields, "target"), text_at(fields, "donor"), text_at(fields, "output"), {}};
    entry.donor = entry.donor.empty() ? defaults.donor : entry.donor;
    if (!json.contains("target")) {
      refuse(pointer_to(pointer, "target"), "is missing");
    }
    if (!json.contains("donor") && !has_default_donor) {
      refuse(pointer_to(pointer, "donor"), "is missing, and /defaults has none");
    }
    if (entry.output.find('/') != std::string::npos || entry.output == "." || entry.output == "..") {
      refuse(pointer_to(pointer, "output"), "must be a file name",
             "the directory is output_directory, or else the target's");
    }
    entry.options = read_options(fields, pointer, defaults.options);
    option_count_ += entry.options.size();
    if (problems_.size() == problem_count) {
      plan.entries.push_back(std::move(entry));
    }
  }

  const std::string& path_;
  std::vector<Error>& problems_;
  std::size_t option_count_ = 0;
};

}  // namespace

ReleasePlan parse_release_plan(std::string_view text, const std::string& path, std::vector<Error>& problems) {
  return Parser(path, problems).parse(text);
}

}  // namespace mtpgraft
