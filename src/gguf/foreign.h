// What a file or folder is that cannot be read as a GGUF of version 2 or 3, and what to do with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/file.h"

namespace mtpgraft {

// The error of a file that does not begin with "GGUF", by its first bytes and its name; that of reading it if that
// fails.
Error refuse_foreign(const ReadableFile& file);

// The same of a file that is not `wanted` ("safetensors", "JSON"), where its first bytes tell what it is instead.
std::optional<Error> find_foreign(const ReadableFile& file, std::string_view wanted);
std::optional<Error> find_foreign(std::string_view start, std::uint64_t file_bytes, const std::string& path,
                                  std::string_view wanted);

// Of a damaged GGUF: what has damaged it, if that shows; else empty.
std::string advise_damage(const ReadableFile& file);

// The same for a GGUF of another byte order or version.
Error refuse_version(std::uint32_t version, const std::string& path);

// Says why a GGUF ends too early, by its name: a part of a cut file, or a download that is not done.
Error explain_truncation(Error error, const ReadableFile& file);

// The same by what is beside it. Changes no other error.
Error explain_beside(Error error, FileSource& files);

// What a download keeps beside `path` while it is not done; empty if there is nothing of the kind.
std::string find_download_state(const std::string& path, FileSource& files);

inline constexpr auto kAdapterAdvice =
    "an adapter has no head and takes none: name the model that it is for, or what merging it into that made";

// Returns the paths of the GGUF models in a folder: of split ones the first file's.
std::vector<std::string> list_folder_models(const std::string& path, const FileSource& files);

// The error of a folder where a GGUF file is wanted, by the names of what is in it.
Error refuse_folder(const std::string& path, const FileSource& files);

}  // namespace mtpgraft
