// Donors that are Hugging Face checkpoints.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/remote.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

struct CheckpointOptions {
  std::string architecture;        // general.architecture of the target: what a head without config.json is read as
  std::optional<int> norm_offset;  // added to norm weights, 0 or 1; nothing: the values decide
};

// A checkpoint's head as the GGUF that llama.cpp's converter would make of it, without trunk and tokenizer. It is made
// while it is read; matrices are ranges of the checkpoint's own files where the GGUF has the same bytes.
struct CheckpointHead {
  std::shared_ptr<const ReadableFile> file;
  int norm_offset = 0;
  std::vector<std::string> notes;  // what was decided for want of a statement
};

// A directory, or a file that ends in .safetensors.
bool is_checkpoint(const std::string& path, const FileSource& files);

// Fails with kIncompatible if there is no head, with kUnsupported if the head is of a kind that is not handled.
Result<CheckpointHead> open_checkpoint(const std::string& path, const CheckpointOptions& options, FileSource& files);

// The path of the model that a user's path means: of a repository the checkpoint that it is, or its only GGUF that has
// a head; of a pattern behind it the only match, or the only one that has a head; of a split model the first file.
// Where that leaves a choice, kUsage with the files to choose from.
Result<std::string> choose_remote_model(const std::string& path, RemoteSource& source);

// All models that it means: of a repository that is no checkpoint every GGUF, of a pattern every match.
Result<std::vector<std::string>> list_remote_models(const std::string& path, RemoteSource& source);

}  // namespace mtpgraft
