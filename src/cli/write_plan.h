// Writing a plan to where the user wants it, for every command that makes a GGUF.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mtpgraft/file.h"
#include "mtpgraft/split.h"
#include "report/model.h"

namespace mtpgraft::cli {

struct OutputOptions;

// How the target's shards that stay as they are get into the output.
enum class Link {
  kAuto,  // a hard link, else a clone, else a copy
  kHard,
  kClone,
  kSymbolic,
  kCopy,
};

struct WriteOptions {
  std::optional<std::string> output;
  std::optional<std::string> checksums;
  CopyMethod copy = CopyMethod::kAuto;
  Link link = Link::kAuto;
  bool in_place = false;
  bool dry_run = false;
  bool force = false;
  bool no_sync = false;
};

// What a plan copies from. Both may be the same file.
struct Sources {
  std::shared_ptr<const ReadableFile> target;
  std::shared_ptr<const ReadableFile> donor;
};

// The model that --in-place is to change.
Result<OpenedModel> open_to_change(const std::string& path, FileSystem& files);

// kUsage for names that cannot be meant.
Status check_names(const WriteOptions& options);

// What stands against writing the plan to `writing.path`; fills in how it will be written, and what space there is.
Status check_writing(const FilePlan& plan, const Sources& sources, const WriteOptions& options, FileSystem& files,
                     report::Writing& writing);

// Writes the plan and, where they are wanted, its checksums; completes `writing`. `label` names the work in the
// progress line. The caller must not hold on to the sources: they are closed before a file changed in place is read
// again.
Status write_plan(std::string_view label, const FilePlan& plan, Sources sources, const WriteOptions& options,
                  const OutputOptions& output, FileSystem& files, report::Writing& writing);

// The same for a graft that is a split model, whose first file is to be `writing.path`. All files are complete before
// the first of them gets its name, and the first shard, without which the others are no model, gets it last.
Status check_writing_set(const SetPlan& plan, const Sources& sources, const WriteOptions& options, FileSystem& files,
                         report::Writing& writing);
Status write_set(std::string_view label, const SetPlan& plan, const Sources& sources, const WriteOptions& options,
                 const OutputOptions& output, FileSystem& files, report::Writing& writing);

// However the two are spelled; neither need exist.
bool is_same_path(const std::string& a, const std::string& b);

}  // namespace mtpgraft::cli
