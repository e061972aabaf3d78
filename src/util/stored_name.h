// What a file's name tells of how it is stored: under a digest, or not complete yet.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace mtpgraft {

// Whether the file is called by a digest of its bytes, as caches do: 40 or 64 hexadecimal digits (Hugging Face), the
// same behind "sha256-" (Ollama). Extensions of models and of downloads do not matter.
bool is_digest_name(std::string_view path);

// What programs append to the name of a file while they fetch it, or of a file beside it that has their state.
inline constexpr auto kPartialEndings = std::to_array<std::string_view>(
    {".aria2", ".part", ".partial", "-partial", ".incomplete", ".crdownload", ".download", ".downloadInProgress",
     ".opdownload", ".filepart", ".fdmdownload", ".dtapart", ".tmp", ".!qB", ".!ut", ".!bt", ".bc!", ".jc!", ".xltd"});

// What is behind the last slash.
std::string_view last_part(std::string_view path);

// The path without such endings, in any case of letters; as it is if nothing would be left of its last part.
std::string_view without_partial_endings(std::string_view path);

// The path without ".gguf", in any case of letters; as it is if nothing would be left of its last part.
std::string_view without_gguf_extension(std::string_view path);

}  // namespace mtpgraft
