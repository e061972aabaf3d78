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

}  // namespace mtpgraft
