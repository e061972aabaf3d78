// Changes of keys that users ask for. All here is pure.
#pragma once

#include <cstdint>
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
  std::optional<GgufValue> value;  // with all its bytes; nothing: the key is taken out
  // Of a request: the file whose text becomes the value when the job is prepared; empty: `value` counts.
  std::string file{};
};

// A value as it stands in a file.
struct HeldValue {
  GgufValue value;          // maybe only the first of its bytes, at most KeyValue::kKeptValueBytes
  std::uint64_t bytes = 0;  // of the whole value, without type, length and count
  Digest digest;            // of all these

  [[nodiscard]] bool is_complete() const { return value.bytes.size() == bytes; }
};

// A key of a graft that has another value than target and head make of it: somebody asked for it.
struct EditedKey {
  std::string key;
  std::optional<HeldValue> from;  // nothing: it is new, or what it was is not known
  std::optional<HeldValue> to;    // nothing: it is taken out
};

// Reads "KEY=TYPE:VALUE": TYPE is u32, f32, bool, str, ..., or one with [] and then VALUE is a JSON array. Fails with
// kUsage.
Result<KeyEdit> parse_key_edit(std::string_view text);

// Reads "KEY=FILE", of which the first '=' counts. The file is not looked at. Fails with kUsage.
Result<KeyEdit> parse_file_edit(std::string_view text);

// Makes the edits by which llama.cpp runs the model at `factor` times the context that it was trained with, by YaRN.
// Fails with kIncompatible if the target does not tell its context length, with kUsage for a factor not above 1.
Result<std::vector<KeyEdit>> make_yarn_edits(const GgufFile& target, double factor);

}  // namespace mtpgraft
