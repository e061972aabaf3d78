// Changes of keys that users ask for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/gguf.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// A change of a key that the user asks for.
struct KeyEdit {
  std::string key;
  std::optional<GgufValue> value;  // nothing: the key is taken out
};

// Reads "KEY=TYPE:VALUE": TYPE is u32, f32, bool, str, ..., or one with [] and then VALUE is a JSON array. Fails with
// kUsage.
Result<KeyEdit> parse_key_edit(std::string_view text);

// What makes llama.cpp run the model at `factor` times the context that it was trained with, by YaRN. Fails with
// kIncompatible if the target does not tell its context length.
Result<std::vector<KeyEdit>> make_yarn_edits(const GgufFile& target, double factor);

}  // namespace mtpgraft
