// Whether files are of the same model, by what they call themselves and what they were made of.
#pragma once

#include <string>
#include <string_view>

#include "mtpgraft/base_models.h"

namespace mtpgraft {

// Letters and digits alone, in lower case: what is left of "Qwen3.5 9B" and of "qwen3.5-9b" is the same.
std::string bare_name(std::string_view name);

// Whether `file` is made of the model, or is the model itself, as its head alone may be ("Qwen3.5 9B MTP").
bool is_of_base_model(const GgufFile& file, const BaseModel& base);

}  // namespace mtpgraft
