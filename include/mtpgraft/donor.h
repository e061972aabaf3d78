// Donors: GGUF files, split models and Hugging Face checkpoints, on this machine or on a server. For a graft only
// DonorRequest is needed; the rest is for programs that look at donors themselves.
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

// By which tensors of a checkpoint are cut, and their rows ordered; 0 where the model does not tell.
struct HeadSizes {
  std::uint64_t latent_heads = 0;         // of latent attention, as the next two
  std::uint64_t unrotated_key_width = 0;  // of a head
  std::uint64_t value_width = 0;
  std::uint64_t head_width = 0;  // of any other attention
  std::uint64_t indexer_query_rows = 0;
};

// What the keys of a GGUF say of them.
HeadSizes read_head_sizes(const GgufFile& model);

struct CheckpointOptions {
  std::string architecture;        // the target's general.architecture: what a head without config.json is read as
  std::optional<int> norm_offset;  // is added to norm weights, 0 or 1; nothing: the values decide
  std::vector<TrunkNorm> trunk_norms{};  // of the target, which the head's are compared with
  HeadSizes head_sizes{};                // of the target, for a head without config.json
  // Whether matrices get another type (convert.h). Quantised ones are F32 then, so that they are rounded once; else
  // they become BF16.
  bool is_converted = false;
};

// How the head of a checkpoint is quantised there.
struct HeadQuantisation {
  std::string declared;  // by config.json or hf_quant_config.json: "modelopt, NVFP4"; empty: it says nothing
  std::vector<std::string> schemes;   // of the head's tensors: "FP8, blocks of 128 x 128"
  std::vector<std::string> earlier;   // what they were before extract() wrote them, as it says there
  std::uint64_t quantised_count = 0;  // of these
  std::uint64_t tensor_count = 0;
};

// A checkpoint's head as the GGUF that llama.cpp's converter would make of it, without trunk and tokenizer. It is made
// while it is read; matrices are ranges of the checkpoint's own files where the GGUF has the same bytes.
struct CheckpointHead {
  std::shared_ptr<const ReadableFile> file;  // keeps the checkpoint's files open
  int norm_offset = 0;                       // that was chosen
  std::vector<std::string> notes;            // what was decided for want of a statement
  HeadQuantisation quantisation;
};

// Whether it is a directory, or a file that ends in .safetensors. Reads nothing of it.
bool is_checkpoint(const std::string& path, const FileSource& files);

// Opens the files and reads their headers, config.json and the norms. Fails with kIncompatible if there is no head,
// or if its norms do not tell whether 1 is to be added, with kUnsupported if the head is of a kind that is not handled,
// with kMalformed for damaged files, with kRefused for links that lead out of the folder, and with kUsage for a
// norm_offset other than 0 and 1.
Result<CheckpointHead> open_checkpoint(const std::string& path, const CheckpointOptions& options, FileSource& files);

// Returns the path of the model that a user's path means. For a repository that is the checkpoint that it is, or its
// only GGUF that has a head; for a pattern or tag behind it the only match, or the only one that has a head (of a tag
// "mtp-*" first); of a split model its first file. Fails with kUsage, with files in `details`, if that leaves a choice.
Result<std::string> choose_remote_model(const std::string& path, RemoteSource& source);

// Returns the paths of the GGUF models in a folder, of split ones the first file's; `path` itself if it is no folder,
// or has none, or a checkpoint.
Result<std::vector<std::string>> list_local_models(const std::string& path, FileSource& files);

// Returns the paths of all models that a user's path means: every GGUF of a repository that is no checkpoint, every
// match of a pattern or a tag.
Result<std::vector<std::string>> list_remote_models(const std::string& path, RemoteSource& source);

// Says how what is on a server is read.
struct RemoteFlags {
  bool allow_http = false;  // allows "http://" to hosts other than this machine
  bool no_cache = false;    // keeps nothing of what is fetched, and uses nothing that is kept, by others neither
};

// Opens what reads remote paths, with the cache of this user (cache.h). It calls `context.start` for what it fetches,
// for as long as it or a file of it is open. Asks no server yet. Fails as make_remote_source() does.
Result<std::shared_ptr<RemoteSource>> open_remote_source(const RemoteFlags& flags, const Context& context);

struct DonorRequest {
  // Names a GGUF (for a split model its first file), a checkpoint's directory or .safetensors file, or one of them on a
  // server: https://HOST/PATH or hf://OWNER/NAME[@REVISION][:FILE or TAG].
  std::string path;
  std::string head_type{};           // converts the matrices, as "q8_0" in any case; empty: as the donor has them
  std::string ggml_path{};           // see ConvertOptions
  bool searches_ggml = true;         // likewise
  bool dequantizes = false;          // likewise
  std::optional<int> norm_offset{};  // see CheckpointOptions; kUsage where the donor is no checkpoint
  RemoteFlags remote{};              // for a path on a server
  bool rounds_twice = false;         // converts a quantised head from BF16, as version 0.1.0 did
};

// An opened donor. Whatever it was, it is read as a GGUF.
struct Donor {
  std::shared_ptr<const ReadableFile> file;  // keeps open what it is made of
  GgufFile gguf;                             // the parse of `file`
  // The parse of what is stored, where the head there has other names than llama.cpp's.
  std::optional<GgufFile> stored;
  bool is_checkpoint = false;
  std::optional<HeadQuantisation> quantisation;  // of a checkpoint
  std::vector<std::string> dequantized;          // what its matrices were before they became what `file` has
  std::vector<std::string> notes;                // say how it was read, for people
  std::vector<Warning> warnings;
  RecordLabels labels;                            // all but the target's
  std::shared_ptr<RemoteSource> remote;           // where `file` comes from; null unless it is on a server
  std::optional<std::uint64_t> repository_bytes;  // size of all files of its repository; nothing if it is in none
  std::string pinned_path;                        // with the commit that was read; empty if it is in no repository
};

// Opens a donor and reads its header; of a checkpoint also its norms. `architecture` is the target's, empty if there is
// none; `trunk_norms` are its norms (head_data.h), which help to judge those of a checkpoint, and `head_sizes` are
// its too. `recorded_norm_offset` is used for a checkpoint where the request does not say it. `remote` is used for
// paths on a server; null: one is opened. Fails with kUsage for an empty path, an unknown type, a norm_offset for what
// is no checkpoint, or a repository with several heads; else as open_checkpoint(), convert_head() and parse_gguf() do.
Result<Donor> open_donor(const DonorRequest& request, std::string_view architecture, const Context& context,
                         std::optional<int> recorded_norm_offset = {},
                         const std::shared_ptr<RemoteSource>& remote = nullptr,
                         const std::vector<TrunkNorm>& trunk_norms = {}, const HeadSizes& head_sizes = {});

}  // namespace mtpgraft
