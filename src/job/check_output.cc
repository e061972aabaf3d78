#include "job/check_output.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <span>

#include "job/extract_form.h"
#include "mtpgraft/split.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

using Way = OutputFile::Way;

// Why the target's tensor data cannot be cloned into an output at `path`, as far as one block tells: it is tried with a
// file that is thrown away.
Result<std::optional<std::string>> find_clone_obstacle(const FilePlan& plan, const ReadableFile& target,
                                                       const std::string& path, FileSystem& files) {
  const auto body = clonable_part(plan_body(plan));
  if (body.length == 0) {
    return std::optional<std::string>("they are not at the same place of a disk block in both files, or too short");
  }
  MTPGRAFT_TRY(const auto probe, files.stage(path, kCloneBlockBytes));
  return probe->clone_from(*target.pieces({body.source_offset, body.length}).front().file, {0, 0, kCloneBlockBytes});
}

// Whether the tensor data will be cloned; an error if they must be, and cannot.
Result<bool> check_clones(const FilePlan& plan, const ReadableFile& target, const std::string& path, CopyMethod method,
                          FileSystem& files) {
  if (method != CopyMethod::kAuto && method != CopyMethod::kClone) {
    return false;
  }
  MTPGRAFT_TRY(const auto obstacle, find_clone_obstacle(plan, target, path, files));
  if (obstacle && method == CopyMethod::kClone) {
    return clone_refusal(target.path(), *obstacle);
  }
  return !obstacle;
}

// What a file of the output takes on disk: neither what is cloned, nor holes of a sparse target, which stay holes.
std::uint64_t needed_bytes(const FilePlan& plan, const ReadableFile& target, bool clones) {
  if (clones) {
    return plan.output_size - clonable_part(plan_body(plan)).length;
  }
  const auto hole_bytes = target.size() - std::min(target.size(), target.stored_bytes());
  return plan.output_size - std::min(plan.output_size, hole_bytes);
}

// The journal has the old and the new header.
std::uint64_t needed_bytes_to_insert(const FilePlan& plan, const ReadableFile& target) {
  return plan.output_size - std::min(plan.output_size, target.size()) +
         2 * (std::max(plan.data_offset, plan_body(plan).source_offset) + kCloneBlockBytes);
}

// How a file that stays as it is will get to `path`, as far as it can be told by trying it there.
Result<Way> choose_way(const FilePlan& plan, const ReadableFile& source, const ReadableFile& target,
                       const std::string& path, Link link, FileSystem& files) {
  if (link == Link::kCopy) {
    return Way::kCopied;
  }
  if (link != Link::kClone) {
    auto probe = files.stage_link(path, source, link == Link::kSymbolic ? LinkMethod::kSymbolic : LinkMethod::kHard);
    if (probe.ok()) {
      return link == Link::kSymbolic ? Way::kSymlinked : Way::kHardLinked;
    }
    if (link != Link::kAuto) {
      probe.error().remedy = Remedy::kLinkAuto;
      return probe.error();
    }
  }
  MTPGRAFT_TRY(const auto obstacle, find_clone_obstacle(plan, target, path, files));
  if (obstacle && link == Link::kClone) {
    return Error{.code = ErrorCode::kIo,
                 .message = "cannot clone the shard: " + *obstacle,
                 .path = source.path(),
                 .remedy = Remedy::kCopyShards};
  }
  return obstacle ? Way::kCopied : Way::kCloned;
}

Status check_checksums_name(const Job& job, std::span<const ReadableFile* const> inputs, FileSystem& files) {
  const auto& checksums = job.request.checksums;
  if (checksums.empty()) {
    return ok_status();
  }
  for (const auto& file : job.output.files) {
    if (is_same_output(checksums, file.path)) {
      return Error{.code = ErrorCode::kRefused,
                   .message = "is the output too",
                   .path = checksums,
                   .hint = "give the checksums another name"};
    }
  }
  auto status = files.check_output(checksums, inputs, job.request.overwrite);
  if (!status.ok()) {
    auto& error = status.error();
    if (error.remedy == Remedy::kOutputIsInput || error.remedy == Remedy::kNameFile) {
      error.hint = error.remedy == Remedy::kNameFile ? "give the checksums the name of a file"
                                                     : "inputs are never written; give the checksums another name";
      error.remedy = Remedy::kNone;
      return status;
    }
    error.remedy = error.remedy == Remedy::kNone && !error.hint.empty() ? Remedy::kNone : Remedy::kNameChecksums;
  }
  return status;
}

Status check_in_place(Job& job, FileSystem& files) {
  auto& output = job.output;
  const auto& plan = job.plan.files.front();
  const auto& target = *job.sources.target;
  output.files = {{output.path, Way::kWritten, plan.output_size}};
  // Here already, in case that the checks end early.
  output.needed_bytes = needed_bytes(plan, target, false);
  auto free_bytes = files.free_bytes(output.path);
  output.free_bytes = free_bytes.ok() ? free_bytes.value() : 0;
  MTPGRAFT_TRY(output.in_place, files.in_place_method(target, in_place_change(plan)));
  MTPGRAFT_CHECK(check_checksums_name(job, inputs_of(job.sources), files));
  output.needed_bytes = *output.in_place == InPlaceMethod::kInsert ? needed_bytes_to_insert(plan, target)
                                                                   : needed_bytes(plan, target, true);
  MTPGRAFT_CHECK(std::move(free_bytes));
  return ok_status();
}

Status check_new_files(Job& job, FileSystem& files) {
  auto& output = job.output;
  const auto& target = *job.sources.target;
  const auto inputs = inputs_of(job.sources);
  if (!is_first_name(output.path, job.plan.files.size())) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("'{}' is not the name of the first of {} files, which the output has",
                                        output.path, job.plan.files.size()),
                 .remedy = Remedy::kNameOutput};
  }
  const auto paths = model_paths(output.path, job.plan.files.size());
  // Here already, in case that the checks end early.
  output.files.clear();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto size = job.plan.files[i].output_size;
    output.files.push_back({paths[i], Way::kWritten, size});
  }
  output.needed_bytes = paths.size() == 1 ? needed_bytes(job.plan.files.front(), target, false) : 0;
  auto free_bytes = files.free_bytes(output.path);
  output.free_bytes = free_bytes.ok() ? free_bytes.value() : 0;
  std::uint64_t needed = 0;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto& plan = job.plan.files[i];
    auto& file = output.files[i];
    const auto* kept = kept_file(plan, job.sources);
    // A name that an earlier graft gave to the very file may be given to it again.
    auto others = inputs;
    std::erase(others, kept);
    MTPGRAFT_CHECK(files.check_output(file.path, others, job.request.overwrite));
    bool clones = false;
    if (kept != nullptr) {
      MTPGRAFT_TRY(file.way, choose_way(plan, *kept, target, file.path, job.request.link, files));
      clones = file.way == Way::kCloned;
    } else if (paths.size() == 1 || plan_body(plan).length > 0) {
      MTPGRAFT_TRY(clones, check_clones(plan, target, file.path, job.request.copy, files));
    }
    needed += file.is_link() ? 0 : needed_bytes(plan, target, clones);
  }
  MTPGRAFT_CHECK(check_checksums_name(job, inputs, files));
  output.needed_bytes = needed;
  MTPGRAFT_CHECK(std::move(free_bytes));
  return ok_status();
}

}  // namespace

std::vector<const ReadableFile*> inputs_of(const Sources& sources) {
  auto inputs = sources.target->sources();
  std::ranges::copy(sources.donor->sources(), std::back_inserter(inputs));
  for (const auto& text : sources.texts) {
    inputs.push_back(text.get());
  }
  return inputs;
}

Status check_open(const Job& job) {
  if (job.sources.target == nullptr || job.sources.donor == nullptr || job.plan.files.empty()) {
    return Error{.code = ErrorCode::kUsage,
                 .message = "the job has no open files: it was written already, or never prepared",
                 .path = job.output.path,
                 .hint = "prepare another one"};
  }
  return ok_status();
}

bool is_first_name(const std::string& path, std::size_t file_count) {
  const auto shard = parse_shard_name(path);
  return file_count <= 1 || (shard && shard->number == 1 && shard->count == file_count);
}

bool is_same_output(const std::string& a, const std::string& b) {
  const auto parent = [](const std::filesystem::path& path) {
    return path.has_parent_path() ? path.parent_path() : as_path(".");
  };
  std::error_code ignored;
  // By name too, for file systems that are not this machine's. Some directories do not tell upper from lower case.
  return (as_path(a).lexically_normal().parent_path() == as_path(b).lexically_normal().parent_path() ||
          std::filesystem::equivalent(parent(as_path(a)), parent(as_path(b)), ignored)) &&
         lowered(as_path(a).filename().string()) == lowered(as_path(b).filename().string());
}

const ReadableFile* kept_file(const FilePlan& plan, const Sources& sources) {
  return plan.kept_shard ? sources.target->sources()[*plan.kept_shard] : nullptr;
}

InPlaceChange in_place_change(const FilePlan& plan) { return {plan_body(plan), plan.output_size}; }

Status check_output(Job& job, const Context& context) {
  job.output.is_checked = false;
  MTPGRAFT_CHECK(check_open(job));
  MTPGRAFT_CHECK(job.request.in_place ? check_in_place(job, context.files) : check_new_files(job, context.files));
  job.output.is_checked = true;
  return ok_status();
}

Status check(Job& job, const Context& context) {
  MTPGRAFT_CHECK(check_output(job, context));
  auto& output = job.output;
  if (job.extract_form != ExtractForm::kCheckpoint && !output.in_place) {
    if (auto refused = refuse_checkpoint_name(output.path); !refused.ok()) {
      output.is_checked = false;
      return refused;
    }
  }
  if (output.needed_bytes > output.free_bytes) {
    output.is_checked = false;
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("no space: {} needed, {} free", format_bytes(output.needed_bytes),
                                        format_bytes(output.free_bytes)),
                 .path = output.path,
                 .hint = "free some space",
                 .remedy = output.in_place ? Remedy::kNone : Remedy::kOtherDisk};
  }
  return ok_status();
}

}  // namespace mtpgraft
