// The models that a GGUF says it was made of. Pure: nothing is asked or fetched.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/gguf.h"

namespace mtpgraft {

struct BaseModel {
  std::string name;          // "Qwen3.5 9B"; as the file has it, so not fit for a terminal; may be empty
  std::string organization;  // "Qwen"; likewise
  std::string url;           // of its page; likewise
  std::string repository;    // "OWNER/NAME" on the Hugging Face Hub; empty if the keys do not tell
  bool is_guessed = false;   // `repository` is made of organization and name, and no URL says so
  std::string key;           // what tells where or what it is: "general.base_model.0.repo_url"
};

// More are never looked at.
inline constexpr std::size_t kBaseModelsMax = 32;

// Reads general.base_model.N.*, in the order of N and whatever general.base_model.count says. One model is listed once.
// A file without these may have been converted from a model that has a head, which general.source.* names.
std::vector<BaseModel> find_base_models(const GgufFile& file);

}  // namespace mtpgraft
