#include "release/release_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <span>

#include "io/read_ahead.h"
#include "io/stream.h"
#include "job/source_digests.h"
#include "mtpgraft/output_name.h"
#include "mtpgraft/split.h"
#include "mtpgraft/verify.h"
#include "plan/record.h"
#include "release/graft_options.h"
#include "util/path.h"
#include "util/sha256.h"
#include "util/text.h"
#include "util/transient.h"

namespace mtpgraft {
namespace {

// SHA-256 of a file of an output and XXH128 of its tensors, from its bytes in order.
class FileDigester {
 public:
  explicit FileDigester(const FilePlan& plan) : checksums_(plan) {}

  void update(std::span<const std::byte> bytes) {
    sha256_.update(bytes);
    checksums_.observe(bytes);
    is_used_ = true;
  }
  [[nodiscard]] bool is_used() const { return is_used_; }
  std::string finish_sha256() { return sha256_.finish_hex(); }
  std::vector<Checksum> finish_checksums() { return checksums_.finish(); }

 private:
  Sha256 sha256_;
  ChecksumCollector checksums_;
  bool is_used_ = false;
};

// One for each file of an output.
using Digesters = std::vector<std::unique_ptr<FileDigester>>;

Digesters make_digesters(const Plan& plan) {
  Digesters digesters;
  for (const auto& file : plan.files) {
    digesters.push_back(std::make_unique<FileDigester>(file));
  }
  return digesters;
}

std::vector<FileStamp> inputs_of(const Job& graft) {
  std::vector<FileStamp> stamps;
  note_input(*graft.sources.target, stamps);
  note_input(*graft.sources.donor, stamps);
  for (const auto& text : graft.sources.texts) {
    note_input(*text, stamps);
  }
  return stamps;
}

std::string shown(const std::string& path) { return path.starts_with('/') ? base_name(path) : path; }

ReleasedModel describe_model(const std::string& path, const std::string& name, const ReadableFile& file) {
  std::uint64_t bytes = 0;
  std::set<std::string_view> seen;  // a file of a checkpoint is a source as a whole, and again for its tensors
  for (const auto* source : file.sources()) {
    bytes += seen.insert(source->path()).second ? source->size() : 0;
  }
  return {path, shown(name), bytes};
}

std::string command_of(ReleaseGraft graft) {
  graft.target = shown(graft.target);
  graft.donor = shown(graft.donor);
  graft.output = shown(graft.output);
  for (auto& option : graft.options) {
    option.value = with_path(option, shown);
  }
  std::string command = "mtpgraft";
  for (const auto& argument : to_arguments(graft, "")) {
    const auto name = argument.starts_with("--") ? argument.substr(0, argument.find('=') + 1) : "";
    command += ' ';
    command += argument.starts_with('-') && name.empty() ? argument : name + shell_quoted(argument.substr(name.size()));
  }
  return command;
}

void note_warnings(const Job& graft, ReleaseJob& job) {
  job.released.warnings = job.base_warnings;
  job.released.warnings.insert(job.released.warnings.end(), graft.warnings.begin(), graft.warnings.end());
}

// What is known of a graft before it is written.
void describe_released(const Job& graft, const ReleasePlaces& places, ReleaseJob& job) {
  auto& released = job.released;
  const auto& plan = graft.plan;
  released.target = describe_model(job.request.target, job.graft.target, *graft.sources.target);
  released.donor = describe_model(job.request.donor.path, job.graft.donor, *graft.sources.donor);
  released.donor.commit = graft.donor->labels.donor_commit;
  if (job.request.source_digests) {
    released.target.files = list_source_files(*graft.sources.target);
    released.donor.files = list_source_files(*graft.sources.donor);
  }
  released.output = graft.output.path;
  released.command = command_of(job.graft);
  const auto paths = model_paths(released.output, plan.files.size());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto name = as_path(paths[i]).lexically_relative(as_path(places.lists)).string();
    released.files.push_back({paths[i], name, plan.files[i].output_size, {}});
  }
  released.sums_name = base_name(released.output) + ".sums";
  released.quant = quantisation_in_name(job.graft.target);
  if (const auto types = summarise(graft.target).types; released.quant.empty() && !types.empty()) {
    released.quant = types.front().type;
  }
  released.key_changes = plan.key_changes;
  released.first_head_block = plan.first_head_block;
  released.head_block_count = plan.head_block_count;
  released.head_tensor_count = plan.head_tensors.size();
  released.head_bytes = plan.head_bytes;
  std::vector<const TensorInfo*> tensors;
  for (const auto& head : plan.head_tensors) {
    tensors.push_back(&head.info);
  }
  released.head_types = share_types(tensors);
  note_warnings(graft, job);
}

// A base model's head is looked for once: from then on the graft is of the donor that was found.
void name_found_donor(const FromBase& found, ReleaseJob& job) {
  job.request.from_base = false;
  job.request.donor.path = found.path;
  job.graft.donor = is_remote(found.path) ? found.path : path_in(parent_of(job.graft.target), base_name(found.path));
  job.base_warnings = found.warnings;
}

// Where grafts are compared or written, several may be at a time: what is read or fetched for them is not told of, but
// they can be interrupted all the same.
Context count_nothing(FileSystem& files, const Progress& progress) {
  return {files, [progress](Phase /*phase*/, std::uint64_t /*total_bytes*/) -> Progress {
            return [progress](std::uint64_t /*bytes*/) { return !progress || progress(0); };
          }};
}

// While grafts are checked one after the other, what is received for them is told of.
Context count_fetches(const Context& context, const Progress& progress) {
  return {context.files,
          [start = context.start, progress](Phase phase, std::uint64_t total_bytes) -> Progress {
            const auto told = start && phase == Phase::kFetch ? start(phase, total_bytes) : Progress();
            return
                [told, progress](std::uint64_t bytes) { return (!told || told(bytes)) && (!progress || progress(0)); };
          },
          context.tell_retry};
}

// Reads the labels of the output that is there. A graft of another version of the program, or of files that had other
// names, is the one that is planned if all else is equal.
std::optional<RecordLabels> labels_of(const std::string& output, FileSystem& files) {
  const auto file = files.open(output);
  const auto gguf = file.ok() ? parse_gguf(*file.value()) : Result<GgufFile>(file.error());
  return gguf.ok() ? find_record_labels(gguf.value()) : std::nullopt;
}

// The plan once more, complete, if the files are still those that were checked.
Result<Job> prepare_again(ReleaseJob& job, const Context& uncounted) {
  MTPGRAFT_TRY(auto graft, prepare_graft(job.request, uncounted));
  if (inputs_of(graft) != job.inputs) {
    return other_input(job);
  }
  graft.digests_sources = false;  // digest_inputs() reads what several grafts have in common once
  MTPGRAFT_CHECK(complete(graft, uncounted));
  job.released.head_digest = graft.head_digest ? to_hex(*graft.head_digest) : "";
  return graft;
}

// The digests of the opened output, of which those files are read that were not seen when they were written, and its
// record.
Status finish(ReleaseJob& job, const ModelFiles& outputs, const Digesters& digesters, const Progress& progress) {
  auto& released = job.released;
  std::vector<Checksum> checksums;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    auto& digester = *digesters[i];
    if (!digester.is_used()) {
      MTPGRAFT_CHECK(read_ahead(*outputs[i], 0, outputs[i]->size(), [&](std::span<const std::byte> bytes) {
        digester.update(bytes);
        return report_progress(progress, bytes.size());
      }));
    }
    MTPGRAFT_CHECK(outputs[i]->check_unchanged());
    released.files[i].sha256 = digester.finish_sha256();
    // The metadata of a split model are those of its first file.
    const auto of_file = digester.finish_checksums();
    checksums.insert(checksums.end(), of_file.begin() + (i == 0 ? 0 : 1), of_file.end());
  }
  job.sums = format_checksums(checksums);
  job.permissions = outputs.front()->permissions();
  MTPGRAFT_TRY(const auto gguf, parse_gguf(*outputs.front()));
  const auto* record = gguf.find_key(kRecordKey);
  released.record = record != nullptr ? record->text().value_or("") : "";
  return ok_status();
}

Error differs(const std::string& path, const VerifyReport& report) {
  constexpr std::size_t kShownFindings = 5;
  Error error{.code = ErrorCode::kRefused,
              .message = "is there already, and not what the plan makes",
              .path = path,
              .remedy = Remedy::kOverwriteChanged};
  for (std::size_t i = 0; i < std::min(report.findings.size(), kShownFindings); ++i) {
    error.details.push_back(report.findings[i].message);
  }
  if (report.findings.size() > kShownFindings) {
    error.details.push_back(fmt::format("and {} more", report.findings.size() - kShownFindings));
  }
  return error;
}

}  // namespace

std::uint64_t ReleasedGraft::bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& file : files) {
    bytes += file.bytes;
  }
  return bytes;
}

Result<std::vector<std::string>> list_directory(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(as_path(directory.empty() ? "." : directory), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("cannot list the directory: {}", error.message()),
                 .path = directory,
                 .is_retryable = is_transient(error.value())};
  }
  return names;
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(as_path(path), ignored));
}

Error other_input(const ReleaseJob& job) {
  return {
      .code = ErrorCode::kIo,
      .message = fmt::format("target or donor ('{}') is another file than when it was checked", job.request.donor.path),
      .path = job.request.target,
      .hint = "run it again when nothing writes to them",
      .is_retryable = true};
}

void note_input(const ReadableFile& file, std::vector<FileStamp>& stamps) {
  for (const auto* source : file.sources()) {
    if (const auto stamp = source->stamp()) {
      stamps.push_back(*stamp);
    }
  }
}

Status check_job(ReleaseJob& job, const ReleasePlaces& places, const Progress& progress, const Context& told) {
  auto& files = told.files;
  auto& released = job.released;
  released.arguments = to_arguments(job.graft, places.plan);
  released.target.path = path_in(places.plan, job.graft.target);
  released.donor.path = job.request.from_base ? job.graft.donor : path_in(places.plan, job.graft.donor);
  released.output = path_in(places.plan, job.graft.output);
  const auto& target = released.target.path;
  const auto real = link_destination(target);
  const auto stands_in = [&](const std::string& directory) {
    return real_path(parent_of(released.output)) == real_path(directory);
  };
  if (naming_path(target, real, "") != target &&
      (stands_in(parent_of(real)) || (places.outputs.empty() && stands_in(parent_of(target))))) {
    return Error{.code = ErrorCode::kRefused,
                 .message = "is stored under a digest in a cache, and the output would stand beside it",
                 .path = target,
                 .hint = "give the plan an output_directory outside the cache"};
  }
  // Also of a graft that fails, so that all is said of the others.
  for (const auto& path : {released.target.path, job.request.from_base ? "" : released.donor.path}) {
    if (const auto file = files.open(path); file.ok()) {
      note_input(*file.value(), job.inputs);
    }
  }
  const auto context = count_fetches(told, progress);
  MTPGRAFT_TRY(auto graft, prepare_graft(job.request, context));
  if (graft.from_base) {
    name_found_donor(*graft.from_base, job);
    released.arguments = to_arguments(job.graft, places.plan);
  }
  job.request.labels = labels_of(graft.output.path, files);
  job.request.donor.rounds_twice = job.request.labels && !job.request.labels->is_rounded_once;
  if (job.request.labels || graft.from_base) {
    MTPGRAFT_TRY(graft, prepare_graft(job.request, context));
  }
  job.inputs = inputs_of(graft);
  for (const auto& file : graft.plan.files) {
    job.kept.push_back(file.kept_shard ? graft.sources.target->sources()[*file.kept_shard]->stamp() : std::nullopt);
  }
  describe_released(graft, places, job);
  if (std::ranges::any_of(released.files, [](const auto& file) { return exists(file.path); })) {
    released.state = ReleaseState::kPresent;
    released.has_other_sizes = std::ranges::any_of(released.files, [](const auto& file) {
      std::error_code failed;
      const auto bytes = std::filesystem::file_size(as_path(file.path), failed);
      return !failed && bytes != file.bytes;
    });
    return ok_status();
  }
  if (!places.outputs.empty() && !exists(places.outputs)) {
    // A directory that is yet to be made stands for the files in it, which it will have on the same disk.
    graft.output.path = first_output_path(places.outputs, released.files.size());
  }
  MTPGRAFT_CHECK(check_output(graft, context));
  job.space = {graft.output.path, graft.output.needed_bytes, graft.output.free_bytes};
  return ok_status();
}

Status read_head(ReleaseJob& job, const Progress& progress, const Context& context) {
  MTPGRAFT_TRY(const auto graft, prepare_again(job, count_fetches(context, progress)));
  note_warnings(graft, job);
  return ok_status();
}

Status compare_job(ReleaseJob& job, const Progress& progress, FileSystem& files) {
  auto& released = job.released;
  MTPGRAFT_TRY(const auto graft, prepare_again(job, count_nothing(files, progress)));
  const auto& plan = graft.plan;
  ModelFiles outputs;
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    const auto& path = released.files[i].path;
    if (!exists(path)) {
      continue;
    }
    MTPGRAFT_TRY(std::shared_ptr<const ReadableFile> file, files.open(path));
    MTPGRAFT_TRY(const auto report, compare_with_plan(*file, plan.files[i], *graft.sources.target, *graft.sources.donor,
                                                      SharedExtents::kRead, progress));
    if (report.ok()) {
      outputs.push_back(std::move(file));
    } else if (job.request.output.overwrite == Overwrite::kNo) {
      return differs(path, report);
    }
  }
  if (outputs.size() < plan.files.size()) {
    job.request.output.overwrite = Overwrite::kYes;
    job.request.labels.reset();
    job.request.donor.rounds_twice = false;
    released.state = ReleaseState::kToWrite;
    return ok_status();
  }
  MTPGRAFT_CHECK(finish(job, outputs, make_digesters(plan), progress));
  released.state = ReleaseState::kSkipped;
  return ok_status();
}

Status write_job(ReleaseJob& job, const Progress& progress, FileSystem& files) {
  MTPGRAFT_TRY(auto graft, prepare_again(job, count_nothing(files, progress)));
  const Context context{files, [&](Phase /*phase*/, std::uint64_t /*total_bytes*/) { return progress; }};
  MTPGRAFT_CHECK(check_output(graft, context));
  for (std::size_t i = 0; i < graft.plan.files.size(); ++i) {
    job.released.files[i].bytes = graft.plan.files[i].output_size;
  }
  const auto digesters = make_digesters(graft.plan);
  MTPGRAFT_CHECK(write(graft, context, [&](std::size_t i) -> ByteSink {
    return [digester = digesters[i].get()](std::span<const std::byte> bytes) { digester->update(bytes); };
  }));
  ModelFiles outputs;
  for (const auto& file : job.released.files) {
    MTPGRAFT_TRY(outputs.emplace_back(), files.open(file.path));
  }
  MTPGRAFT_CHECK(finish(job, outputs, digesters, progress));
  job.released.state = ReleaseState::kWritten;
  return ok_status();
}

}  // namespace mtpgraft
