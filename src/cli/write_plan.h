// Writing a plan to where the user wants it, for every command that makes a GGUF.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  bool verbose = false;
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
Status check_writing(const Plan& plan, const Sources& sources, const WriteOptions& options, FileSystem& files,
                     report::Writing& writing);

// Bytes of the files that are not links, which the progress of write_output() counts.
std::uint64_t bytes_to_write(const report::Writing& writing);

// Says who is to be shown the bytes of a file of the output; it may be empty, as may be what it returns.
using Observers = std::function<ByteSink(std::size_t file)>;

// Writes the plan as check_writing() found that it can be. `before_naming`, if set, is called when all bytes are
// written. Then all files get their names, or none.
Status write_output(const Plan& plan, const Sources& sources, const WriteOptions& options, const Observers& observers,
                    const Progress& progress, FileSystem& files, report::Writing& writing,
                    const std::function<Status()>& before_naming = {});

// A plan on its way to the disk and to the user.
struct Delivery {
  std::string_view label;  // of the progress line
  const Plan& plan;
  const WriteOptions& options;
  const std::vector<Warning>& warnings;
  report::Writing& writing;         // its path is set; the rest is filled in
  std::function<Status()> prepare;  // called before writing, to complete the plan; may be empty
  std::function<std::string(bool details)> describe;
  std::function<std::string()> to_json;
};

// Checks what stands against writing the plan, warns, writes it and, where they are wanted, its checksums, and reports.
// A dry run ends as the real one would, but shows the plan first. The caller must not hold on to the sources: they are
// closed before a file changed in place is read again.
Result<int> deliver(const Delivery& delivery, Sources sources, const OutputOptions& output, FileSystem& files);

// Whether two outputs would have one name, however they are spelled. Neither need exist; a link is not followed, as it
// is not when an output replaces it.
bool is_same_output(const std::string& a, const std::string& b);

}  // namespace mtpgraft::cli
