// Names of files that were cut into parts to be uploaded, by programs that know nothing of GGUF.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mtpgraft {

struct CutName {
  std::string before;                  // "dir/Model.gguf.part"
  std::string index;                   // "1", "01", "a", "aa"
  std::string after;                   // "of2", ".gguf"
  std::string whole;                   // "dir/Model.gguf", as the file was called before
  std::optional<std::uint64_t> count;  // of parts, where the name tells
  bool is_sure = false;                // the name alone says so; otherwise the first part must be beside it, or be it
};

// Reads "Model.gguf.part1of2", "Model.gguf-split-a", "Model.part-a.gguf", "Model.ggufaa" and the like. Nothing for all
// other names, those of a split model's files (-00001-of-00002.gguf) among them: these are GGUF files of their own.
std::optional<CutName> parse_cut_name(std::string_view path);

// Says how to join the parts, or which of them is missing. `names` are those of the files in the folder. Empty if the
// name is not sure, and these do not make it so.
std::string advise_joining(const CutName& part, const std::vector<std::string>& names);

}  // namespace mtpgraft
