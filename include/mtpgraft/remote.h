// Models on servers: https://HOST/PATH.gguf, https://HOST/PATH.safetensors, and hf://OWNER/NAME[@REVISION][:FILE] of
// the Hugging Face Hub. Their files are read in ranges, as they are needed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// "https://", "http://" or "hf://" begins it.
bool is_remote(std::string_view path);

struct RemoteOptions {
  bool allow_http = false;      // plain http to hosts other than this machine
  std::string cache_directory;  // empty: nothing is kept
  std::string user_agent;       // "mtpgraft/0.1.0"
  // Makes what is told of the bytes that come, in a fetch of that many; may be empty.
  std::function<Progress(std::uint64_t total_bytes)> start_progress;
};

// What is to come over the network before ranges of a file can be read.
struct RemoteFetch {
  std::string path;  // of the file, as messages have it
  std::uint64_t file_bytes = 0;
  std::vector<ByteRange> ranges;  // ascending; not what is in the cache
  std::uint64_t cached_bytes = 0;
  std::string sha256;  // of the whole file, as the hub has it; empty if it does not tell
};

struct RepositoryFile {
  std::string name;  // with its directory in the repository
  std::uint64_t size = 0;
  std::string sha256;  // of files that the hub keeps as LFS; else empty
};

// A repository of the hub, in the state that its revision had when it was first looked up.
struct Repository {
  std::string path;                   // "hf://OWNER/NAME@REVISION", or without "@REVISION" as the user gave it
  std::vector<RepositoryFile> files;  // by name
  std::uint64_t bytes = 0;            // of all files
};

// What a path is in.
struct RepositoryPath {
  const Repository* repository;
  std::string name;  // of a file or folder in it, or a pattern; empty for the repository itself
};

// Its paths are URLs, hf://OWNER/NAME[@REVISION] and, in it, hf://OWNER/NAME[@REVISION]/FILE. The files that it opens
// may outlive it.
class RemoteSource : public FileSource {
 public:
  // Nothing for URLs that are in no repository. Fails with kUsage if it is no path of a kind that is understood.
  virtual Result<std::optional<RepositoryPath>> find_repository(const std::string& path) = 0;
};

// Reads HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME and HF_HUB_DOWNLOAD_TIMEOUT as huggingface_hub does. Fails with
// kUnsupported in a program that was built without libcurl.
Result<std::unique_ptr<RemoteSource>> make_remote_source(const RemoteOptions& options, FileSystem& files);

// What reading ranges of `file` would fetch.
std::vector<RemoteFetch> plan_fetches(const ReadableFile& file, std::span<const ByteRange> ranges);

}  // namespace mtpgraft
