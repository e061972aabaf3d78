#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/prepare_graft.h"
#include "cli/progress.h"
#include "graft/record.h"
#include "io/read_ahead.h"
#include "io/stream.h"
#include "mtpgraft/verify.h"
#include "release/release_plan.h"
#include "report/json.h"
#include "report/release.h"
#include "util/sha256.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

// No plan and no list of checksums comes near this.
constexpr std::uint64_t kTextBytesMax = std::uint64_t{64} << 20;

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

Result<std::string> read_text(const ReadableFile& file) {
  if (file.size() > kTextBytesMax) {
    return Error{ErrorCode::kMalformed,
                 fmt::format("has {}, too much for this kind of file", format_bytes(file.size())), file.path()};
  }
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  MTPGRAFT_CHECK(file.read_at(0, std::as_writable_bytes(std::span(text))));
  return text;
}

Result<std::vector<std::string>> list_directory(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory.empty() ? "." : directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory) {
    return Error{ErrorCode::kIo, fmt::format("cannot list the directory: {}", error.message()), directory};
  }
  return names;
}

// The files of an output, of which `path` is the first.
std::vector<std::string> files_of(const std::string& path, std::size_t count) {
  auto name = parse_shard_name(path);
  std::vector<std::string> paths{path};
  while (paths.size() < count) {
    ++name->number;
    paths.push_back(format_shard_name(*name));
  }
  return paths;
}

// One graft of the release on its way. Files are open only while it is worked on, however many grafts there are.
struct Job {
  ReleaseGraft graft;
  GraftCommandOptions options;
  std::vector<FileStamp> inputs;               // in the state in which they were checked
  std::vector<std::optional<FileStamp>> kept;  // of each file of the output the target's shard that it may be a link to
  std::string sums;                            // text of its list of XXH128 checksums
  std::optional<Error> problem;
};

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

class Release {
 public:
  Release(const ReleaseOptions& options, const OutputOptions& output, FileSystem& files)
      : options_(options), output_(output), files_(files) {
    report_.plan_path = options.plan;
    report_.dry_run = options.dry_run;
    directory_ = std::filesystem::path(options.plan).parent_path().string();
  }

  Result<int> run() {
    MTPGRAFT_CHECK(read_plan());
    if (problems_.empty()) {
      MTPGRAFT_CHECK(check_all());
    }
    if (!problems_.empty()) {
      return give_up("nothing was written");
    }
    for (const auto& graft : report_.grafts) {
      for (const auto& warning : graft.warnings) {
        log_warning(fmt::format("{}: {}", graft.target.path, warning.message));
      }
    }
    if (!options_.dry_run) {
      MTPGRAFT_CHECK(do_jobs("compare", report::ReleaseState::kPresent, [this](std::size_t i) { return compare(i); }));
      if (!problems_.empty()) {
        return give_up("nothing was written");
      }
      if (!output_directory_.empty()) {
        MTPGRAFT_CHECK(files_.make_directory(output_directory_));
      }
      MTPGRAFT_CHECK(do_jobs("graft", report::ReleaseState::kToWrite, [this](std::size_t i) { return write(i); }));
      if (!problems_.empty()) {
        return give_up("the lists were not written; run it again to go on");
      }
      MTPGRAFT_CHECK(write_lists());
    }
    if (output_.json) {
      MTPGRAFT_CHECK(print_answer(report::release_to_json(report_) + '\n'));
    } else if (!output_.quiet) {
      MTPGRAFT_CHECK(
          print_answer(options_.dry_run ? report::describe_release_plan(report_) : report::describe_release(report_)));
    }
    return 0;
  }

 private:
  Status read_plan() {
    MTPGRAFT_TRY(const auto file, files_.open(options_.plan));
    MTPGRAFT_TRY(const auto text, read_text(*file));
    note_input(*file, plan_stamps_);
    const auto plan = parse_release_plan(text, options_.plan, problems_);
    if (!problems_.empty()) {
      return ok_status();
    }
    output_directory_ = plan.output_directory.empty() ? "" : path_in(directory_, plan.output_directory);
    lists_directory_ = output_directory_.empty() ? directory_ : output_directory_;
    const auto list = [&](const std::string& directory) { return list_directory(path_in(directory_, directory)); };
    for (auto& graft : resolve_release(plan, options_.plan, list, problems_)) {
      jobs_.push_back({std::move(graft), {}, {}, {}, {}, {}});
    }
    report_.grafts.resize(jobs_.size());
    return ok_status();
  }

  static void note_input(const ReadableFile& file, std::vector<FileStamp>& stamps) {
    for (const auto* source : file.sources()) {
      if (const auto stamp = source->stamp()) {
        stamps.push_back(*stamp);
      }
    }
  }

  static std::vector<FileStamp> inputs_of(const PreparedGraft& graft) {
    std::vector<FileStamp> stamps;
    note_input(*graft.sources.target, stamps);
    note_input(*graft.sources.donor, stamps);
    return stamps;
  }

  // For progress that is not shown.
  Progress quiet_progress() { return make_progress("", 0, {.json = output_.json, .quiet = true}); }

  // All that can be checked without reading tensor data.
  Status check_all() {
    const auto progress = quiet_progress();
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      auto status = check(i, progress);
      if (!status.ok()) {
        if (status.error().code == ErrorCode::kInterrupted) {
          return status;
        }
        problems_.push_back(in_plan(std::move(status.error()), jobs_[i].graft));
      }
    }
    if (problems_.empty()) {
      check_space();
    }
    check_lists();
    check_names();
    return ok_status();
  }

  // What is said of options is said of the plan here.
  Error in_plan(Error error, const ReleaseGraft& graft) const {
    if (error.path.empty()) {
      error.path = options_.plan;
      error.message = fmt::format("{} ({}): {}", graft.pointer, graft.target, error.message);
    }
    if (error.code == ErrorCode::kUsage) {
      error.code = ErrorCode::kMalformed;
    }
    return error;
  }

  Status check(std::size_t index, const Progress& progress) {
    auto& job = jobs_[index];
    auto& released = report_.grafts[index];
    released.arguments = graft_arguments(job.graft, directory_);
    released.target.path = path_in(directory_, job.graft.target);
    released.donor.path = path_in(directory_, job.graft.donor);
    released.output = path_in(directory_, job.graft.output);
    MTPGRAFT_TRY(job.options, parse_graft_arguments(released.arguments));
    job.options.write.force = options_.force;
    job.options.write.no_sync = options_.no_sync;
    // Also of a graft that fails, so that all is said of the others.
    for (const auto& path : {released.target.path, released.donor.path}) {
      if (const auto file = files_.open(path); file.ok()) {
        note_input(*file.value(), job.inputs);
      }
    }
    MTPGRAFT_TRY(auto graft, prepare_graft(job.options, progress, files_));
    job.inputs = inputs_of(graft);
    job.kept.resize(1);
    for (const auto& shard : graft.report.plan.shards) {
      job.kept.push_back(shard.kept ? graft.sources.target->sources()[*shard.kept]->stamp() : std::nullopt);
    }
    describe(graft, job, released);
    auto& writing = graft.report.writing;
    if (std::ranges::any_of(released.files, [](const auto& file) { return exists(file.path); })) {
      released.state = report::ReleaseState::kPresent;
      return ok_status();
    }
    if (!output_directory_.empty() && !exists(output_directory_)) {
      // A directory that is yet to be made stands for the files in it, which it will have on the same disk.
      writing.path = first_output_path(output_directory_, released.files.size());
    }
    MTPGRAFT_CHECK(check_writing(graft.report.plan, graft.sources, job.options.write, files_, writing));
    report_.needed_bytes += writing.needed_bytes;
    MTPGRAFT_TRY(const auto file_system, files_.file_system_of(writing.path));
    auto& space = space_[file_system];
    space = {writing.path, space.needed_bytes + writing.needed_bytes, writing.free_bytes};
    return ok_status();
  }

  // What is known of a graft before it is written.
  void describe(const PreparedGraft& graft, const Job& job, report::ReleasedGraft& released) const {
    const auto& plan = graft.report.plan;
    released.target = describe_model(graft.report.target_path, job.graft.target, *graft.sources.target);
    released.donor = describe_model(graft.report.donor_path, job.graft.donor, *graft.sources.donor);
    released.output = graft.report.writing.path;
    released.command = command_of(job.graft);
    const auto plans = plan.files();
    const auto paths = files_of(released.output, plans.size());
    released.files.clear();
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const auto name = std::filesystem::path(paths[i]).lexically_relative(lists_directory_).string();
      released.files.push_back({paths[i], name, plans[i]->output_size, {}});
    }
    released.sums_name = base_name(released.output) + ".sums";
    released.quant = quantisation_in_name(job.graft.target);
    if (released.quant.empty() && !graft.report.target.types.empty()) {
      released.quant = graft.report.target.types.front().type;
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
    released.warnings = graft.report.warnings;
  }

  static std::string shown(const std::string& path) { return path.starts_with('/') ? base_name(path) : path; }

  static report::ReleasedModel describe_model(const std::string& path, const std::string& name,
                                              const ReadableFile& file) {
    std::uint64_t bytes = 0;
    for (const auto* source : file.sources()) {
      bytes += source->size();
    }
    return {path, shown(name), bytes};
  }

  static std::string command_of(ReleaseGraft graft) {
    graft.target = shown(graft.target);
    graft.donor = shown(graft.donor);
    graft.output = shown(graft.output);
    for (auto& option : graft.options) {
      option.value = option.name == "ggml" ? shown(option.value) : option.value;
    }
    std::string command = "mtpgraft";
    for (const auto& argument : graft_arguments(graft, "")) {
      const auto name = argument.starts_with("--") ? argument.substr(0, argument.find('=') + 1) : "";
      command += ' ';
      command +=
          argument.starts_with('-') && name.empty() ? argument : name + shell_quoted(argument.substr(name.size()));
    }
    return command;
  }

  void check_space() {
    for (const auto& [file_system, space] : space_) {
      if (space.needed_bytes > space.free_bytes) {
        problems_.push_back({ErrorCode::kIo,
                             fmt::format("no space: the outputs there need {} together, {} are free",
                                         format_bytes(space.needed_bytes), format_bytes(space.free_bytes)),
                             std::filesystem::path(space.path).parent_path().string(),
                             {},
                             "free some space, or give the plan an output_directory on another disk"});
      }
    }
  }

  [[nodiscard]] std::string list_path(std::string_view name) const {
    return path_in(lists_directory_, std::string(name));
  }

  // An old list is replaced; what only has the name of one is not.
  void check_lists() {
    const auto check_list = [&](const std::string& path, const std::function<bool(std::string_view)>& is_list) {
      report_.lists.push_back(path);
      if (!exists(path) || options_.force) {
        return;
      }
      const auto file = files_.open(path);
      const auto text = file.ok() ? read_text(*file.value()) : Result<std::string>(file.error());
      if (!text.ok()) {
        problems_.push_back(text.error());
      } else if (!is_list(text.value())) {
        problems_.push_back({ErrorCode::kRefused,
                             "exists, and is not a list of this release",
                             path,
                             {},
                             "move it away, or use --force to replace it"});
      }
    };
    for (const auto& graft : report_.grafts) {
      if (!graft.files.empty()) {
        check_list(list_path(graft.sums_name), [](std::string_view text) {
          const auto sums = parse_checkfile(text);
          return sums.bad_lines.empty() && !sums.checksums.empty();
        });
      }
    }
    check_list(list_path(report::kSha256FileName),
               [&](std::string_view text) { return report::is_sha256_file(text, report_.grafts); });
    check_list(list_path(report::kReleaseFileName), report::is_release_file);
  }

  // No file is to be written that is an input, or that is to be written twice.
  void check_names() {
    const auto refuse = [&](const std::string& path, std::string what) {
      problems_.push_back({ErrorCode::kRefused,
                           std::move(what),
                           path,
                           {},
                           "give the plan another output_directory, "
                           "or the graft another output"});
    };
    std::vector<FileStamp> inputs = plan_stamps_;
    for (const auto& job : jobs_) {
      inputs.insert(inputs.end(), job.inputs.begin(), job.inputs.end());
    }
    std::set<std::string> seen;
    const auto check_name = [&](const std::string& path, const std::optional<FileStamp>& kept) {
      if (!seen.insert(std::filesystem::path(path).lexically_normal().string()).second) {
        refuse(path, "would be written twice");
      }
      if (!exists(path)) {
        return;
      }
      const auto file = files_.open(path);
      const auto stamp = file.ok() ? file.value()->stamp() : std::nullopt;
      if (!file.ok()) {
        problems_.push_back(file.error());
      } else if (stamp && stamp != kept &&
                 std::ranges::any_of(inputs, [&](const auto& input) { return input.is_same_file(*stamp); })) {
        refuse(path, "is to be written, and is an input of the release");
      }
    };
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      const auto& outputs = report_.grafts[i].files;
      for (std::size_t j = 0; j < outputs.size(); ++j) {
        check_name(outputs[j].path, jobs_[i].kept[j]);
      }
    }
    for (const auto& path : report_.lists) {
      check_name(path, std::nullopt);
    }
  }

  // Works on the grafts in that state; what stands in the way of one is no reason to leave out the others. Fails only
  // if it was interrupted.
  Status do_jobs(std::string_view label, report::ReleaseState state, const std::function<Status(std::size_t)>& work) {
    std::vector<std::size_t> todo;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      if (report_.grafts[i].state == state) {
        todo.push_back(i);
        bytes += report_.grafts[i].bytes();
      }
    }
    // What is compared is read once more for its digests.
    progress_ = make_progress(std::string(label), state == report::ReleaseState::kPresent ? 2 * bytes : bytes, output_);
    std::atomic<std::size_t> next = 0;
    const auto run = [&] {
      for (auto at = next++; at < todo.size(); at = next++) {
        auto status = work(todo[at]);
        if (!status.ok()) {
          if (status.error().code == ErrorCode::kInterrupted) {
            next = todo.size();
          }
          jobs_[todo[at]].problem = std::move(status.error());
        }
      }
    };
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 1; i < std::min(options_.jobs, todo.size()); ++i) {
        threads.emplace_back(run);
      }
      run();
    }
    erase_progress();
    for (auto& job : jobs_) {
      if (job.problem && job.problem->code == ErrorCode::kInterrupted) {
        return Error{ErrorCode::kInterrupted, "interrupted; run it again to go on: what is complete is kept"};
      }
      if (job.problem) {
        problems_.push_back(in_plan(std::move(*job.problem), job.graft));
      }
    }
    return ok_status();
  }

  // The progress of all jobs together.
  Progress shared_progress() {
    return [this](std::uint64_t bytes) {
      const std::lock_guard lock(console_mutex_);
      return progress_(bytes);
    };
  }

  void say(const std::string& path, std::string_view what) {
    const std::lock_guard lock(console_mutex_);
    if (!output_.json) {
      log_note(fmt::format("{}: {}", path, what));
    }
  }

  // The plan once more, complete, if the files are still those that were checked.
  Result<PreparedGraft> prepare_again(const Job& job, report::ReleasedGraft& released) {
    const auto progress = shared_progress();
    const Progress uncounted = [&](std::uint64_t /*bytes*/) { return progress(0); };
    MTPGRAFT_TRY(auto graft, prepare_graft(job.options, uncounted, files_));
    if (inputs_of(graft) != job.inputs) {
      return Error{
          ErrorCode::kIo,
          fmt::format("target or donor ('{}') is another file than when it was checked", graft.report.donor_path),
          graft.report.target_path,
          {},
          "run it again when nothing writes to them"};
    }
    MTPGRAFT_CHECK(complete_plan(graft, uncounted));
    released.head_digest = graft.head_digest ? to_hex(*graft.head_digest) : "";
    return graft;
  }

  // Whether an output that is there is what would be written. One of which files are missing is written again.
  Status compare(std::size_t index) {
    auto& job = jobs_[index];
    auto& released = report_.grafts[index];
    MTPGRAFT_TRY(const auto graft, prepare_again(job, released));
    const auto& plan = graft.report.plan;
    const auto plans = plan.files();
    bool is_complete = true;
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const auto& path = released.files[i].path;
      if (!exists(path)) {
        is_complete = false;
        continue;
      }
      MTPGRAFT_TRY(const auto file, files_.open(path));
      MTPGRAFT_TRY(const auto report, compare_with_plan(*file, *plans[i], *graft.sources.target, *graft.sources.donor,
                                                        SharedExtents::kRead, shared_progress()));
      if (report.ok()) {
        continue;
      }
      if (!options_.force) {
        Error error{ErrorCode::kRefused,
                    "is there already, and not what the plan makes",
                    path,
                    {},
                    "if the plan is right, use --force to replace it"};
        for (const auto& finding : report.findings) {
          error.details.push_back(finding.message);
        }
        return error;
      }
      is_complete = false;
    }
    if (!is_complete) {
      job.options.write.force = true;
      released.state = report::ReleaseState::kToWrite;
      return ok_status();
    }
    std::vector<std::unique_ptr<FileDigester>> digesters = make_digesters(plan);
    MTPGRAFT_CHECK(finish(job, released, digesters));
    released.state = report::ReleaseState::kSkipped;
    say(released.output, fmt::format("skipped: all {} are there as planned", format_bytes(released.bytes())));
    return ok_status();
  }

  Status write(std::size_t index) {
    auto& job = jobs_[index];
    auto& released = report_.grafts[index];
    MTPGRAFT_TRY(auto graft, prepare_again(job, released));
    const auto& plan = graft.report.plan;
    auto& writing = graft.report.writing;
    MTPGRAFT_CHECK(check_writing(plan, graft.sources, job.options.write, files_, writing));
    auto digesters = make_digesters(plan);
    const auto observe = [&](std::size_t i) -> ByteSink {
      return [digester = digesters[i].get()](std::span<const std::byte> bytes) { digester->update(bytes); };
    };
    MTPGRAFT_CHECK(write_output(plan, graft.sources, job.options.write, observe, shared_progress(), files_, writing));
    MTPGRAFT_CHECK(finish(job, released, digesters));
    released.state = report::ReleaseState::kWritten;
    say(released.output, fmt::format("written, {}", format_bytes(released.bytes())));
    return ok_status();
  }

  static std::vector<std::unique_ptr<FileDigester>> make_digesters(const SetPlan& plan) {
    std::vector<std::unique_ptr<FileDigester>> digesters;
    for (const auto* file : plan.files()) {
      digesters.push_back(std::make_unique<FileDigester>(*file));
    }
    return digesters;
  }

  // The digests of an output, of which those files are read that were not seen when they were written, and its record.
  Status finish(Job& job, report::ReleasedGraft& released, std::vector<std::unique_ptr<FileDigester>>& digesters) {
    std::vector<Checksum> checksums;
    for (std::size_t i = 0; i < digesters.size(); ++i) {
      auto& digester = *digesters[i];
      MTPGRAFT_TRY(const auto file, files_.open(released.files[i].path));
      if (!digester.is_used()) {
        const auto progress = shared_progress();
        MTPGRAFT_CHECK(read_ahead(*file, 0, file->size(), [&](std::span<const std::byte> bytes) {
          digester.update(bytes);
          return advance(progress, bytes.size());
        }));
        MTPGRAFT_CHECK(file->check_unchanged());
      }
      released.files[i].sha256 = digester.finish_sha256();
      // Of a split model the metadata are those of its first file.
      const auto of_file = digester.finish_checksums();
      checksums.insert(checksums.end(), of_file.begin() + (i == 0 ? 0 : 1), of_file.end());
      if (i == 0) {
        MTPGRAFT_TRY(const auto gguf, parse_gguf(*file));
        const auto* record = gguf.find_key(kRecordKey);
        released.record = record != nullptr ? record->text().value_or("") : "";
      }
    }
    job.sums = format_checksums(checksums);
    return ok_status();
  }

  // All of them are complete before the first gets its name; one that is there as it should be is left alone.
  Status write_lists() {
    std::map<std::string, std::string> texts;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      texts.emplace(list_path(report_.grafts[i].sums_name), std::move(jobs_[i].sums));
    }
    texts.emplace(list_path(report::kSha256FileName), report::make_sha256_file(report_.grafts));
    texts.emplace(list_path(report::kReleaseFileName), report::make_release_file(report_.grafts, MTPGRAFT_VERSION));
    std::vector<std::unique_ptr<StagedFile>> staged;
    for (const auto& [path, text] : texts) {
      if (exists(path)) {
        MTPGRAFT_TRY(const auto file, files_.open(path));
        MTPGRAFT_TRY(const auto old, read_text(*file));
        if (old == text) {
          continue;
        }
      }
      MTPGRAFT_TRY(staged.emplace_back(), files_.stage(path, text.size()));
      MTPGRAFT_CHECK(staged.back()->write_at(0, std::as_bytes(std::span(text))));
    }
    for (const auto& file : staged) {
      MTPGRAFT_CHECK(file->commit(Overwrite::kYes, options_.no_sync ? Durability::kNoSync : Durability::kSync));
    }
    return ok_status();
  }

  // The system's failures before those of files, and these before what was refused.
  static int severity(const Error& error) {
    switch (exit_code(error.code)) {
      case kExitSystem:
        return 0;
      case kExitFile:
        return 1;
      default:
        return 2;
    }
  }

  Result<int> give_up(std::string_view outcome) {
    report_.problems = std::move(problems_);
    std::ranges::stable_sort(report_.problems, {}, severity);
    if (output_.json) {
      MTPGRAFT_CHECK(print_answer(report::release_to_json(report_) + '\n'));
    } else {
      for (const auto& problem : report_.problems) {
        report_error(problem, "release", false);
      }
      log_problem(fmt::format("{} {}; {}", report_.problems.size(),
                              report_.problems.size() == 1 ? "problem" : "problems", outcome));
    }
    return exit_code(report_.problems.front().code);
  }

  struct Space {
    std::string path;
    std::uint64_t needed_bytes = 0;
    std::uint64_t free_bytes = 0;
  };

  const ReleaseOptions& options_;
  const OutputOptions& output_;
  FileSystem& files_;
  std::string directory_;         // of PLAN.json; empty if it is the current one
  std::string output_directory_;  // may be empty
  std::string lists_directory_;
  std::vector<FileStamp> plan_stamps_;
  std::vector<Job> jobs_;
  std::map<std::uint64_t, Space> space_;  // by file system
  std::vector<Error> problems_;
  report::ReleaseReport report_;  // its grafts are those of the jobs
  std::mutex console_mutex_;      // guards the next one, and the terminal
  Progress progress_;
};

}  // namespace

Result<int> run_release(const ReleaseOptions& options, const OutputOptions& output, FileSystem& files) {
  return Release(options, output, files).run();
}

}  // namespace mtpgraft::cli
