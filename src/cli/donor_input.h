// Donors as users name them: GGUF files and checkpoints, read as they are or with the head in another type.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/gguf.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/remote.h"
#include "report/model.h"

namespace mtpgraft::cli {

// How what is on a server is read.
struct RemoteFlags {
  bool allow_http = false;
  bool no_cache = false;
};

// Makes what is told of a fetch of that many bytes.
using StartProgress = std::function<Progress(std::uint64_t total_bytes)>;

// Where what is on a server is looked up.
Result<std::shared_ptr<RemoteSource>> open_source(const RemoteFlags& flags, const StartProgress& start_progress,
                                                  FileSystem& files);

struct DonorOptions {
  std::string path;
  std::shared_ptr<RemoteSource> source{};  // for a path on a server; null: a new one
  RemoteFlags remote{};
  std::optional<int> norm_offset{};
  std::optional<int> recorded_norm_offset{};  // of a checkpoint, unless norm_offset says it
  std::string head_type{};                    // empty: as the donor has it
  std::string ggml_path{};
};

struct DonorInput {
  std::shared_ptr<RemoteSource> remote;  // where the file is opened, if on a server
  std::optional<std::uint64_t> repository_bytes;
  std::string pinned_path;  // with the commit that was read; empty if it is in no repository
  bool is_checkpoint = false;
  std::shared_ptr<const ReadableFile> file;
  GgufFile gguf;
  std::vector<std::string> notes;  // how it was read
  std::vector<Warning> warnings;
  RecordLabels labels;  // all but those of the target
};

// `architecture` is the target's; empty if there is none.
Result<DonorInput> open_donor(const DonorOptions& options, std::string_view architecture,
                              const StartProgress& start_progress, FileSystem& files);

// What comes over the network for ranges of the donor; nothing for one that is here.
std::optional<report::Fetch> describe_fetch(const DonorInput& donor, std::span<const ByteRange> ranges);

void note_received(const DonorInput& donor, std::optional<report::Fetch>& fetch);

// The last part of a path, of "dir/" as well.
std::string base_name(const std::string& path);

}  // namespace mtpgraft::cli
