// Donors: GGUF files, split models and Hugging Face checkpoints, on this machine or on a server.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/context.h"
#include "mtpgraft/file.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/plan.h"
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

// How what is on a server is read.
struct RemoteFlags {
  bool allow_http = false;
  bool no_cache = false;  // keep nothing of what is fetched, and use nothing that is kept
};

// The server's side of remote paths, with the cache of this user. It tells `context` of what it fetches.
Result<std::shared_ptr<RemoteSource>> open_remote_source(const RemoteFlags& flags, const Context& context);

struct DonorRequest {
  // A GGUF (of a split model the first file), a checkpoint's directory or file, or one of them on a server.
  std::string path;
  std::string head_type{};           // "q8_0": the matrices are converted; empty: as the donor has them
  std::string ggml_path{};           // see ConvertOptions
  std::optional<int> norm_offset{};  // see CheckpointOptions; kUsage where the donor is no checkpoint
  RemoteFlags remote{};
};

// An opened donor: whatever it is, a GGUF.
struct Donor {
  std::shared_ptr<const ReadableFile> file;
  GgufFile gguf;
  bool is_checkpoint = false;
  std::vector<std::string> notes;  // how it was read, for people
  std::vector<Warning> warnings;
  RecordLabels labels;                            // all but the target's
  std::shared_ptr<RemoteSource> remote;           // where `file` comes from, if it is on a server
  std::optional<std::uint64_t> repository_bytes;  // of all files of its repository
  std::string pinned_path;                        // with the commit that was read; empty if it is in no repository
};

// `architecture` is the target's, empty if there is none. `recorded_norm_offset` is used for a checkpoint where the
// request does not say it. `remote` is used for paths on a server; null: one is opened.
Result<Donor> open_donor(const DonorRequest& request, std::string_view architecture, const Context& context,
                         std::optional<int> recorded_norm_offset = {},
                         const std::shared_ptr<RemoteSource>& remote = nullptr);

}  // namespace mtpgraft
