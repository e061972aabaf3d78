// Donors as users name them: GGUF files and checkpoints, read as they are or with the head in another type.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/gguf.h"
#include "mtpgraft/plan.h"

namespace mtpgraft::cli {

struct DonorOptions {
  std::string path;
  std::optional<int> norm_offset;
  std::string head_type;  // empty: as the donor has it
  std::string ggml_path;
};

struct DonorInput {
  std::shared_ptr<const ReadableFile> file;
  GgufFile gguf;
  std::vector<std::string> notes;  // how it was read
  std::vector<Warning> warnings;
  RecordLabels labels;  // all but those of the target
};

// `architecture` is the target's; empty if there is none.
Result<DonorInput> open_donor(const DonorOptions& options, std::string_view architecture, FileSystem& files);

// The last part of a path, of "dir/" as well.
std::string base_name(const std::string& path);

}  // namespace mtpgraft::cli
