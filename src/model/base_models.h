// Whether files are of the same model, by what they call themselves and what they were made of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/base_models.h"

namespace mtpgraft {

// Letters and digits alone, in lower case: what is left of "Qwen3.5 9B" and of "qwen3.5-9b" is the same.
std::string bare_name(std::string_view name);

// "Qwen/Qwen3.5-9B"; what else the keys call it is no repository, and stands in quotes.
std::string name_of(const BaseModel& base);

// Whether `file` is made of the model, or is the model itself, as its head alone may be ("Qwen3.5 9B MTP"). What it was
// converted from (general.source.*) does not count.
bool is_of_base_model(const GgufFile& file, const BaseModel& base);

// What is_of_base_model() goes by, for people: repositories as they are, other names in quotes. May be empty.
std::vector<std::string> names_in_keys(const GgufFile& file);

}  // namespace mtpgraft
