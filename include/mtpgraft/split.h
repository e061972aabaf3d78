// Split models: several files, "PREFIX-00001-of-00004.gguf" and so on, that are read as the one GGUF that they amount
// to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/gguf.h"

namespace mtpgraft {

struct ShardName {
  std::string prefix;        // with the directory
  std::uint64_t number = 1;  // from 1
  std::uint64_t count = 1;
};

// Reads the name of a shard; nothing if it is not exactly as llama.cpp writes them.
std::optional<ShardName> parse_shard_name(std::string_view path);
std::string format_shard_name(const ShardName& name);

// Whether it is a shard's name, and not the first one's, by which a model is named.
bool is_later_shard(std::string_view path);

// Returns the paths of a model of so many files. `first` is the name of the first shard if there are several.
std::vector<std::string> model_paths(const std::string& first, std::size_t file_count);

inline constexpr std::string_view kSplitNumberKey = "split.no";              // u16, from 0
inline constexpr std::string_view kSplitCountKey = "split.count";            // u16
inline constexpr std::string_view kSplitTensorsKey = "split.tensors.count";  // i32

// Whether it is one file of several that was read without the others.
bool is_lone_shard(const GgufFile& file);

using ModelFiles = std::vector<std::shared_ptr<const ReadableFile>>;

// A model and what was read of it. For a split model `file` holds the shards one after the other, each from the start
// of a disk block on, and `gguf` has the first one's keys and the tensors of all. `file` keeps the shards open.
struct OpenedModel {
  std::shared_ptr<const ReadableFile> file;
  GgufFile gguf;
};

// Opens the files of the split model whose first shard `path` is, in order; any other file alone. Fails with kIo if one
// is missing.
Result<ModelFiles> open_model_files(FileSource& files, const std::string& path);

// Reads the model that the files make. Fails with kMalformed if they do not make the one that the first one says, by
// the rules of llama.cpp's loader; with kUsage if there are none; else as parse_gguf() does. A single shard other than
// the first is read as it is.
Result<OpenedModel> read_model(const ModelFiles& files);

// Opens and reads the model that `path` names, by its first shard if it is split. The file system must outlive it.
Result<OpenedModel> open_model(FileSource& files, const std::string& path);

}  // namespace mtpgraft
