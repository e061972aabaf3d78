// Writing a plan to where the user wants it, for every command that makes a GGUF.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "mtpgraft/file.h"
#include "report/model.h"

namespace mtpgraft::cli {

struct OutputOptions;

struct WriteOptions {
  std::optional<std::string> output;
  std::optional<std::string> checksums;
  CopyMethod copy = CopyMethod::kAuto;
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

// However the two are spelled; neither need exist.
bool is_same_path(const std::string& a, const std::string& b);

}  // namespace mtpgraft::cli
