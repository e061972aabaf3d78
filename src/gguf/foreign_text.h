// What a text is that stands in the place of a GGUF.
#pragma once

#include <string>
#include <string_view>

#include "mtpgraft/result.h"

namespace mtpgraft {

struct ForeignKind {
  FileKind kind;
  std::string what;    // "a web page"
  std::string advice;  // what to do with it
  Remedy remedy = Remedy::kNone;
};

// Whether the beginning of a file has nothing but text.
bool is_text(std::string_view start);

// `start` is such a beginning.
ForeignKind recognise_text(std::string_view start, const std::string& path);

// What to do where it is nothing that leads to a model.
std::string advise_model(const std::string& path);

// Whether a program took a piece of binary data for text, and wrote it in UTF-8: bytes that are none of it were
// replaced by U+FFFD, or each of them became a character.
bool was_text(std::string_view piece);

}  // namespace mtpgraft
