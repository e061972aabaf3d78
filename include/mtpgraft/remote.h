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
  std::string name;        // with its directory in the repository
  std::uint64_t size = 0;  // 0 if the hub does not tell
  std::string sha256;      // of files that the hub keeps as LFS; else empty
};

// A repository of the hub, in the state that its revision had when it was looked up.
struct Repository {
  std::string path;  // "hf://OWNER/NAME@REVISION", without "@REVISION" if none was given
  std::string commit;
  std::vector<RepositoryFile> files;  // by name

  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] const RepositoryFile* find(std::string_view name) const;
};

// What a user's path means.
struct RemotePath {
  std::string path;                        // how the source calls it: without query; hf:// also for URLs of the hub
  const Repository* repository = nullptr;  // none: a URL of elsewhere
  std::string name{};                      // what follows the repository: file, folder or pattern; may be empty
};

// Its paths are URLs, hf://OWNER/NAME[@REVISION], and files and folders in it: hf://OWNER/NAME[@REVISION]/FILE. The
// files that it opens may outlive it. Errors of the network are kIo.
class RemoteSource : public FileSource {
 public:
  // Looks the repository up. Fails with kUsage if the path is none of those that are understood.
  virtual Result<RemotePath> find(const std::string& path) = 0;

  // Bytes that have come over the network for files, without what describes repositories.
  [[nodiscard]] virtual std::uint64_t received_bytes() const = 0;
};

// Reads HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME and HF_HUB_DOWNLOAD_TIMEOUT as huggingface_hub does. Fails with
// kUnsupported in a program that was built without libcurl.
Result<std::unique_ptr<RemoteSource>> make_remote_source(const RemoteOptions& options, FileSystem& files);

// What reading ranges of `file` would fetch.
std::vector<RemoteFetch> plan_fetches(const ReadableFile& file, std::span<const ByteRange> ranges);

// Fetches it now, in one go; reading is then no wait. Does nothing for what is on disk.
Status fetch(const ReadableFile& file, std::span<const ByteRange> ranges);

// "libcurl 7.88.1"; empty in a program that was built without, or where there is none.
std::string http_library();

}  // namespace mtpgraft
