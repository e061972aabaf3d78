#include "model/base_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>

#include "net/hub.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kBaseModelPrefix = "general.base_model.";
constexpr std::string_view kSourceModelPrefix = "general.source.";

// Those of one model: a file may have a million others.
using ModelKeys = std::vector<const KeyValue*>;

std::string text_of(const ModelKeys& keys, std::string_view key) {
  const auto found = std::ranges::find(keys, key, &KeyValue::key);
  return std::string(found != keys.end() ? (*found)->text().value_or("") : "");
}

// "Qwen/Qwen3.5-9B" of "Qwen" and "Qwen3.5 9B", as the converter makes names of repositories.
std::string guess_repository(std::string organization, std::string name) {
  std::ranges::replace(organization, ' ', '-');
  std::ranges::replace(name, ' ', '-');
  return hub_repository_of(fmt::format("{}/{}", organization, name));
}

// Says where the model is by the first of the keys that names a repository.
void find_repository(const ModelKeys& keys, std::string_view prefix, std::initializer_list<std::string_view> fields,
                     BaseModel& base) {
  for (const auto field : fields) {
    const auto key = fmt::format("{}{}", prefix, field);
    const auto text = text_of(keys, key);
    if (text.empty()) {
      continue;
    }
    base.repository = hub_repository_of(text);
    if (base.url.empty() || !base.repository.empty()) {
      base.url = text;
      base.key = key;
    }
    if (!base.repository.empty()) {
      return;
    }
  }
}

BaseModel read_base(const ModelKeys& keys, std::uint64_t number) {
  const auto prefix = fmt::format("{}{}.", kBaseModelPrefix, number);
  BaseModel base;
  base.name = text_of(keys, prefix + "name");
  base.organization = text_of(keys, prefix + "organization");
  find_repository(keys, prefix, {"repo_url", "url"}, base);
  if (base.repository.empty()) {
    base.repository = guess_repository(base.organization, base.name);
    base.is_guessed = !base.repository.empty();
    base.key = base.is_guessed || base.url.empty() ? prefix + "name" : base.key;
  }
  return base;
}

// What a model may be called: by its name, and by that of its repository.
std::vector<std::string> names_of(const BaseModel& base) {
  std::vector<std::string> names{bare_name(base.name),
                                 bare_name(base.repository.substr(base.repository.find('/') + 1))};
  std::erase(names, "");
  return names;
}

// As far as their keys tell: one may say less than the other.
bool may_be_same(const BaseModel& one, const BaseModel& other) {
  if (!one.repository.empty() && !other.repository.empty()) {
    return lowered(one.repository) == lowered(other.repository);
  }
  const auto names = names_of(other);
  return std::ranges::any_of(names_of(one),
                             [&](const auto& name) { return std::ranges::find(names, name) != names.end(); });
}

// Without a doubt: of two that only may be the same, none is to be lost.
bool is_same(const BaseModel& one, const BaseModel& other) {
  if (one.repository.empty() != other.repository.empty()) {
    return false;
  }
  return one.repository.empty() ? one.name == other.name && one.organization == other.organization
                                : lowered(one.repository) == lowered(other.repository);
}

void add(BaseModel base, std::vector<BaseModel>& bases) {
  const bool says_nothing = base.repository.empty() && bare_name(base.name).empty();
  if (!says_nothing && std::ranges::none_of(bases, [&](const auto& other) { return is_same(base, other); })) {
    bases.push_back(std::move(base));
  }
}

struct ModelKeysOfFile {
  std::map<std::uint64_t, ModelKeys> by_number;  // general.base_model.N
  ModelKeys of_source;
};

ModelKeysOfFile find_model_keys(const GgufFile& file) {
  ModelKeysOfFile found;
  for (const auto& item : file.keys) {
    std::string_view rest = item.key;
    if (rest.starts_with(kSourceModelPrefix)) {
      found.of_source.push_back(&item);
    } else if (rest.starts_with(kBaseModelPrefix)) {
      rest.remove_prefix(kBaseModelPrefix.size());
      const auto number = take_number<std::uint64_t>(rest);
      if (number && rest.starts_with('.')) {
        found.by_number[*number].push_back(&item);
      }
    }
  }
  return found;
}

std::vector<BaseModel> read_bases(const ModelKeysOfFile& keys) {
  std::vector<BaseModel> bases;
  std::size_t count = 0;
  for (const auto& [number, of_model] : keys.by_number) {
    if (++count <= kBaseModelsMax) {
      add(read_base(of_model, number), bases);
    }
  }
  return bases;
}

std::string own_name_of(const GgufFile& file) {
  const auto* key = file.find_key("general.name");
  return std::string(key != nullptr ? key->text().value_or("") : "");
}

}  // namespace

std::string name_of(const BaseModel& base) {
  return base.repository.empty() ? fmt::format("'{}'", base.name) : base.repository;
}

std::string bare_name(std::string_view name) {
  auto bare = lowered(name);
  std::erase_if(bare, [](unsigned char c) { return std::isalnum(c) == 0; });
  return bare;
}

std::vector<BaseModel> find_base_models(const GgufFile& file) {
  const auto keys = find_model_keys(file);
  auto bases = read_bases(keys);
  if (bases.empty()) {
    BaseModel source;
    find_repository(keys.of_source, kSourceModelPrefix, {"repo_url", "huggingface.repository", "url"}, source);
    add(std::move(source), bases);
  }
  return bases;
}

bool is_of_base_model(const GgufFile& file, const BaseModel& base) {
  const auto bases = read_bases(find_model_keys(file));
  if (std::ranges::any_of(bases, [&](const auto& other) { return may_be_same(base, other); })) {
    return true;
  }
  const auto own_name = bare_name(own_name_of(file));
  const auto names = names_of(base);
  const auto is_one = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  constexpr std::string_view kMtp = "mtp";
  const std::string_view own = own_name;
  return is_one(own) || (own.ends_with(kMtp) && is_one(own.substr(0, own.size() - kMtp.size()))) ||
         (own.starts_with(kMtp) && is_one(own.substr(kMtp.size())));
}

std::vector<std::string> names_in_keys(const GgufFile& file) {
  std::vector<std::string> names;
  for (const auto& base : read_bases(find_model_keys(file))) {
    names.push_back(name_of(base));
  }
  if (const auto own = own_name_of(file); !bare_name(own).empty()) {
    names.push_back(fmt::format("'{}'", own));
  }
  return names;
}

}  // namespace mtpgraft
