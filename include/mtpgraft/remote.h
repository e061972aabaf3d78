// Models on servers: https://HOST/PATH.gguf, https://HOST/PATH.safetensors, and hf://OWNER/NAME[@REVISION][:FILE] for
// the Hugging Face Hub. Their files are read in ranges, as they are needed. For a graft, DonorRequest::path is enough.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/context.h"
#include "mtpgraft/file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

struct RemoteOptions {
  bool allow_http = false;        // allows "http://" to hosts other than this machine
  std::string cache_directory{};  // keeps what is fetched; empty: a file without a name keeps it for this run
  bool reads_hub_cache = true;    // looks into the Hugging Face cache before it fetches
  std::string user_agent{};       // is sent to servers, as "mtpgraft/0.1.0"; empty: none is sent
  // Is called when a fetch begins, of so many bytes or of an unknown number (0). Returns what is told of the bytes that
  // come. Both may be empty. Threads are as for Context::start.
  std::function<Progress(std::uint64_t total_bytes)> start_progress{};
  std::function<void(const Retry& retry)> tell_retry{};  // as Context::tell_retry; may be empty
};

// Tells what is to come over the network before ranges of a file can be read.
struct RemoteFetch {
  std::string path;               // the file, as messages have it
  std::uint64_t file_bytes = 0;   // its whole size
  std::vector<ByteRange> ranges;  // to come, ascending; without what is in the cache
  std::uint64_t cached_bytes = 0;
  std::string sha256;  // the hub's, for the whole file, in hexadecimal; empty if the hub does not tell
};

struct RepositoryFile {
  std::string name;        // with its directory in the repository
  std::uint64_t size = 0;  // 0 if the hub does not tell
  std::string sha256;      // in hexadecimal, for files that the hub keeps as LFS; else empty
  std::string blob_id;     // likewise, git's own digest; may be empty
};

// A repository of the hub, in the state that its revision had when it was looked up.
struct Repository {
  std::string path;                   // "hf://OWNER/NAME@REVISION", without "@REVISION" if none was given
  std::string commit;                 // 40 hexadecimal digits
  std::vector<RepositoryFile> files;  // by name
  bool is_described = true;           // by the hub; else `files` are those in the Hugging Face cache
  // "OWNER/NAME" of the models that it is made of, as its publisher says; empty if the hub does not tell.
  std::vector<std::string> base_models{};

  [[nodiscard]] std::uint64_t bytes() const;  // of all files
  // Null if there is no such file; else it lives as long as this value is not changed.
  [[nodiscard]] const RepositoryFile* find(std::string_view name) const;
};

// Tells what a user's path means.
struct RemotePath {
  std::string path;                        // what the source calls it: without query; hf:// also for URLs of the hub
  const Repository* repository = nullptr;  // lives as long as the source; null for a URL of another server
  std::string name{};                      // what follows the repository: file, folder or pattern; may be empty
};

// Reads files of servers. Its paths are URLs, hf://OWNER/NAME[@REVISION], and files and folders in it:
// hf://OWNER/NAME[@REVISION]/FILE. One source is used by one thread at a time; the files that it opens may be read by
// several and may outlive it. What the network refuses is kIo.
class RemoteSource : public FileSource {
 public:
  // Looks the repository up: asks the hub, unless the path names a commit, or HF_HUB_OFFLINE is set, and it is in a
  // cache. Fails with kUsage if the path is none of those that are understood.
  virtual Result<RemotePath> find(const std::string& path) = 0;

  // Asks the hub for all files of a repository of which only those in the Hugging Face cache are known. Returns whether
  // more is known now; false if the hub is not to be asked or cannot be reached. The RemotePaths of that repository
  // stay valid.
  virtual Result<bool> describe(const RemotePath& path) = 0;

  // The path with the commit that main, or the path's revision, had when the Hugging Face cache got files of it.
  // Nothing if these are neither a checkpoint nor a GGUF, or the path is of no repository. Asks no server.
  virtual std::optional<std::string> find_cached(const std::string& path) = 0;

  // Returns the bytes that have come over the network for files, without what describes repositories.
  [[nodiscard]] virtual std::uint64_t received_bytes() const = 0;
};

// Makes a source. `files`, where the caches are, must outlive it and the files that it opens. Reads HF_ENDPOINT,
// HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_OFFLINE now, as huggingface_hub does; kUsage if
// they make no sense. The place of the Hugging Face cache is told by LLAMA_CACHE, HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE,
// HF_HOME, XDG_CACHE_HOME or HOME, the first that is set. libcurl is loaded when a server is to be asked: that fails
// with kUnsupported where there is none, or the library was built without its headers.
Result<std::unique_ptr<RemoteSource>> make_remote_source(const RemoteOptions& options, FileSystem& files);

// Returns what reading ranges of `file` would fetch, by path; nothing for files that are on no server.
std::vector<RemoteFetch> plan_fetches(const ReadableFile& file, std::span<const ByteRange> ranges);

// Fetches the ranges now, in one go; reading them is then no wait. Does nothing for what is on disk.
Status fetch(const ReadableFile& file, std::span<const ByteRange> ranges);

// Whether the library was built to read from servers, by a libcurl that it loads then.
bool has_http();

// Loads that and returns "libcurl 7.88.1"; empty where there is none, or the library was built without its headers.
std::string http_library();

}  // namespace mtpgraft
