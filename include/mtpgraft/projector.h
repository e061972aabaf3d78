// Tells whether a vision or audio projector (an "mmproj" file) goes with a model, from the two headers alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mtpgraft/gguf.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

struct Projector {
  std::string path;
  std::string type;                            // "qwen3vl_merger"; "gemma4v, gemma4a" for a file with both encoders
  std::optional<std::uint64_t> encoder_width;  // values per patch of the (first) encoder that it takes from
  std::optional<std::uint64_t> width;          // values per token that it gives to the model
  std::string obstacle;                        // says why `width` cannot be told; empty if it can
};

// Fails with kUnsupported, the message saying what the file is, if it has no clip.* keys.
Result<Projector> read_projector(const GgufFile& file);

struct ProjectorFit {
  Projector projector;
  std::optional<std::uint64_t> embedding_length;  // the target's values per token
  std::optional<bool> fits;                       // nothing: it cannot be told
  std::string reason;                             // for people; empty if it fits
};

// Compares widths and nothing else, as llama.cpp does; the target's head, or lack of one, plays no part.
ProjectorFit check_projector(const GgufFile& target, const Projector& projector);

}  // namespace mtpgraft
