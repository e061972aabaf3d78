// Names of files that were cut into parts to be uploaded, by programs that know nothing of GGUF.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mtpgraft {

struct CutName {
  std::string whole;   // "Model.gguf", as the file was called before
  std::string advice;  // how to join the parts
};

// Reads "Model.gguf.part1of2", "Model.gguf-split-a", "Model.part-a.gguf" and the like. Nothing for all other names,
// those of a split model's files (-00001-of-00002.gguf) among them: these are GGUF files of their own.
std::optional<CutName> parse_cut_name(std::string_view path);

}  // namespace mtpgraft
