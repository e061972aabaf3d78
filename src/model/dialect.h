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

// Whether the data are rows of whole blocks, which can be cut and joined as bytes. Rows of forks' types may have
// something in front, or lie interleaved.
bool has_whole_rows(const TensorInfo& tensor);

// Null for an id that no dialect has.
const Dialect* find_dialect(std::string_view id);

// A part of a stored tensor's data.
struct TensorPiece {
  std::size_t tensor = 0;    // index into GgufFile::tensors
  std::uint64_t offset = 0;  // from the start of its data
  std::uint64_t size_bytes = 0;
};

// A tensor under its name in llama.cpp.
struct StandardTensor {
  TensorInfo info;  // where there are several pieces, its offsets are those of the first
  std::vector<TensorPiece> pieces;
  // The pieces are whole matrices, and a row is their rows one after the other; else they are one after the other.
  bool joins_rows = false;
  // A norm under a checkpoint's name, of an architecture whose checkpoints have norms without the 1 of GGUFs. Only its
  // values tell whether the 1 is in them.
  bool is_checkpoints_norm = false;
};

// What a file's tensors are called in llama.cpp.
struct Translation {
  std::vector<std::string_view> dialects;  // ids, of all that the file has something of
  std::vector<StandardTensor> tensors;     // all of the file; empty if they have llama.cpp's names, or with problems
  // All of the file, as they must be for these tensors; what is altered or added has no offset.
  std::vector<KeyValue> keys;
  std::vector<std::string> problems;  // why the names cannot be made llama.cpp's, for people
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
