// Heads in other names than llama.cpp's. What each fork and tool calls the tensors stands in dialect.cc; where it was
// seen, in docs/architectures.md.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/gguf.h"
#include "mtpgraft/head.h"

namespace mtpgraft {

struct Dialect {
  std::string_view id;      // for programs; stable
  std::string_view whose;   // "the forks of drluoto and mihailescu2m"
  std::string_view change;  // what is done to give the head llama.cpp's names; empty if that is nothing
};

// Null for an id that no dialect has.
const Dialect* find_dialect(std::string_view id);

// A tensor under its name in llama.cpp.
struct StandardTensor {
  TensorInfo info;                 // where there are several parts, its offsets are those of the first
  std::vector<std::size_t> parts;  // in GgufFile::tensors; several: a row of it is their rows one after the other
};

// What a file's tensors are called in llama.cpp.
struct Translation {
  std::vector<std::string_view> dialects;  // ids, of all that the file has something of
  std::vector<StandardTensor> tensors;     // all of the file; empty if they have llama.cpp's names, or with problems
  std::vector<std::string> problems;       // why the names cannot be made llama.cpp's, for people
};

Translation find_translation(const GgufFile& file);

// The file as find_head() would see it in llama.cpp's names; nothing if it has those or cannot be given them. Its
// tensors stand where those of `file` do, joined ones where the first part is.
std::optional<GgufFile> standard_names(const GgufFile& file, const Translation& translation);

// What find_head() finds once the names are llama.cpp's, as those of a donor will be.
Head find_donors_head(const GgufFile& file);

// Maps the head's tokens to the model's, in a sidecar of a trimmed vocabulary.
inline constexpr std::string_view kTrimmedVocabularyName = "d2t";

// The tensors by which drafts have a smaller vocabulary than the model: the map from one to the other, and the matrices
// with as many rows. Empty for all other heads.
std::vector<std::string> find_trimmed_vocabulary(const GgufFile& file);

// Whether its keys say that its model lends it token_embd and output. Forks read that key.
bool borrows_shared_tensors(const GgufFile& file);

}  // namespace mtpgraft
