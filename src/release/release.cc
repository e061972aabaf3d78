#include "mtpgraft/release.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string_view>

#include "gguf/foreign.h"
#include "mtpgraft/convert.h"
#include "mtpgraft/text_file.h"
#include "mtpgraft/verify.h"
#include "mtpgraft/version.h"
#include "release/check_places.h"
#include "release/digest_inputs.h"
#include "release/graft_options.h"
#include "release/lists.h"
#include "release/release_job.h"
#include "release/release_plan.h"
#include "util/parallel.h"
#include "util/path.h"
#include "util/spelling.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

// What a real one does not come near.
constexpr std::uint64_t kPlanBytesMax = std::uint64_t{1} << 20;

// A plan that is not quite JSON is told of where it is parsed.
Status check_plan_kind(const ReadableFile& file) {
  auto foreign = find_foreign(file, "a plan");
  if (!foreign || foreign->file_kind == FileKind::kEmpty || foreign->file_kind == FileKind::kServerReply) {
    return ok_status();
  }
  if (foreign->file_kind == FileKind::kOtherGguf) {
    foreign->message = "is a GGUF, and no plan";
    foreign->offset = std::nullopt;
    foreign->hint = kPlanHint;
  }
  return std::move(*foreign);
}

class Release {
 public:
  Release(const ReleaseRequest& request, const Context& context, const ReleaseObserver& observer)
      : request_(request), context_(context), observer_(observer), files_(context.files) {
    report_.plan_path = request.plan;
    report_.dry_run = request.dry_run;
    places_.plan = as_path(request.plan).parent_path().string();
  }

  Result<ReleaseReport> run() && {
    MTPGRAFT_CHECK(read_plan());
    MTPGRAFT_CHECK(check_all());
    if (problems_.empty() && !request_.dry_run) {
      MTPGRAFT_CHECK(read_heads());
      MTPGRAFT_CHECK(problems_.empty() ? digest_sources() : ok_status());
    }
    if (problems_.empty()) {
      tell_warnings();
      MTPGRAFT_CHECK(request_.dry_run ? ok_status() : make());
    }
    if (problems_.empty()) {
      collect_report();
    }
    report_.problems = std::move(problems_);
    std::ranges::stable_sort(report_.problems, {}, severity);
    return std::move(report_);
  }

 private:
  Status read_plan() {
    if (request_.plan.empty()) {
      return Error{.code = ErrorCode::kUsage, .message = "the plan has no name"};
    }
    auto file = files_.open(request_.plan);
    if (!file.ok()) {
      auto& error = file.error();
      // What is said there is of models.
      if (is_remote(request_.plan) || files_.is_folder(request_.plan) || error.remedy != Remedy::kNone) {
        error.hint = "name the plan, a JSON file";
        error.remedy = Remedy::kNone;
      }
      return std::move(error);
    }
    MTPGRAFT_CHECK(check_plan_kind(*file.value()));
    MTPGRAFT_TRY(const auto text, read_text(*file.value(), kPlanBytesMax));
    note_input(*file.value(), plan_stamps_);
    const auto plan = parse_release_plan(text, request_.plan, problems_);
    places_.outputs = plan.output_directory.empty() ? "" : path_in(places_.plan, plan.output_directory);
    std::error_code ignored;
    if (exists(places_.outputs) && !std::filesystem::is_directory(as_path(places_.outputs), ignored)) {
      problems_.push_back(
          {.code = ErrorCode::kIo, .message = "/output_directory: is not a directory", .path = request_.plan});
      return ok_status();
    }
    places_.lists = places_.outputs.empty() ? places_.plan : places_.outputs;
    const auto list = [&](const std::string& directory) { return list_directory(path_in(places_.plan, directory)); };
    for (auto& graft : resolve_release(plan, request_.plan, list, problems_)) {
      jobs_.push_back({.graft = std::move(graft)});
    }
    return ok_status();
  }

  // A dry run does not read tensor data.
  Status check_all() {
    if (jobs_.empty()) {
      return ok_status();
    }
    const auto progress = context_.begin(Phase::kCheck, 0);
    for (auto& job : jobs_) {
      if (!make_request(job)) {
        continue;
      }
      tell_begun(job);
      MTPGRAFT_CHECK(note_problem(job, check_job(job, places_, progress, context_)));
    }
    if (problems_.empty()) {
      MTPGRAFT_CHECK(check_space());
    }
    collect_report();
    for (auto&& error : check_places()) {
      problems_.push_back(std::move(error));
    }
    return ok_status();
  }

  void tell_warnings() const {
    if (!observer_.warn) {
      return;
    }
    for (const auto& warning : warnings_) {
      observer_.warn(warning);
    }
    for (const auto& job : jobs_) {
      for (const auto& warning : job.released.warnings) {
        observer_.warn({warning.id, fmt::format("{}: {}", job.released.target.path, warning.message)});
      }
    }
  }

  void tell_begun(const ReleaseJob& job) const {
    if (observer_.begun) {
      const auto number = static_cast<std::size_t>(&job - jobs_.data()) + 1;
      observer_.begun(number, jobs_.size(), path_in(places_.plan, job.graft.output));
    }
  }

  // Of all grafts, before any is written.
  Status read_heads() {
    const auto progress = context_.begin(Phase::kCheck, 0);
    for (auto& job : jobs_) {
      tell_begun(job);
      MTPGRAFT_CHECK(note_problem(job, read_head(job, progress, context_)));
    }
    return ok_status();
  }

  // Each file once, before any output may take the place of another.
  Status digest_sources() {
    const auto bytes = bytes_to_digest(jobs_);
    if (bytes == 0) {
      return ok_status();
    }
    const auto progress = context_.begin(Phase::kChecksum, bytes);
    KnownDigests known;
    for (auto& job : jobs_) {
      tell_begun(job);
      MTPGRAFT_CHECK(note_problem(job, digest_inputs(job, known, progress, files_)));
    }
    return ok_status();
  }

  // Nothing is written while an output that is there is another one.
  Status make() {
    MTPGRAFT_CHECK(do_jobs(Phase::kVerify, ReleaseState::kPresent, compare_job));
    if (!problems_.empty()) {
      return ok_status();
    }
    if (!places_.outputs.empty()) {
      MTPGRAFT_CHECK(files_.make_directory(places_.outputs));
    }
    report_.wrote = true;
    MTPGRAFT_CHECK(do_jobs(Phase::kWrite, ReleaseState::kToWrite, write_job));
    return problems_.empty() ? write_lists() : ok_status();
  }

  // What stands in the way of one graft. Fails only if it was interrupted.
  Status note_problem(const ReleaseJob& job, Status status) {
    if (!status.ok() && status.error().code != ErrorCode::kInterrupted) {
      add_problem(in_plan(std::move(status.error()), job.graft));
      return ok_status();
    }
    return status;
  }

  // One of the defaults is a problem of many grafts.
  void add_problem(Error problem) {
    if (told_.emplace(problem.path, problem.message).second) {
      problems_.push_back(std::move(problem));
    }
  }

  // Whether all options of the graft can be.
  bool make_request(ReleaseJob& job) {
    std::vector<Error> faults;
    job.request = to_request(job.graft, places_.plan, request_.plan, faults);
    job.request.output.overwrite = request_.overwrite;
    job.request.output.durability = request_.durability;
    if (auto fault = choose_ggml(job)) {
      faults.push_back(std::move(*fault));
    }
    for (auto& fault : faults) {
      add_problem(std::move(fault));
    }
    return faults.empty();
  }

  // Loading a library runs its code: which one says the user, never a plan.
  [[nodiscard]] std::optional<Error> choose_ggml(ReleaseJob& job) const {
    auto& path = job.request.donor.ggml_path;
    const auto planned = std::exchange(path, request_.ggml_path);
    if (planned.empty() || is_named_ggml(planned, request_.ggml_path)) {
      return std::nullopt;
    }
    return in_plan({.code = ErrorCode::kMalformed,
                    .message = fmt::format("'{}' is a library to load, which only the user may name", planned),
                    .field = RequestField::kGgml,
                    .remedy = Remedy::kAllowGgml,
                    .subject = planned},
                   job.graft);
  }

  // Where in the plan the request comes from that failed.
  Error in_plan(Error error, const ReleaseGraft& graft) const {
    const auto option = std::ranges::find_if(graft.options, [&](const ReleaseOption& each) {
      return error.field != RequestField::kNone && field_of(each.name) == error.field;
    });
    if (!error.path.empty()) {
      error.message += fmt::format(" ({})", graft.pointer);
    } else {
      error.path = request_.plan;
      error.message = option != graft.options.end()
                          ? fmt::format("{}: {}", option->pointer, error.message)
                          : fmt::format("{} ({}): {}", graft.pointer, graft.target, error.message);
    }
    const bool has_home = error.path.starts_with("~/") || error.path.find("/~/") != std::string::npos;
    if (error.code == ErrorCode::kIo && (has_home || !unexpanded(error.path).empty())) {
      error.hint = "a plan expands neither ~ nor variables: write the path itself";
    }
    if (error.code == ErrorCode::kUsage) {
      error.code = ErrorCode::kMalformed;
    }
    return error;
  }

  Status check_space() {
    std::map<std::uint64_t, ReleaseSpace> by_file_system;
    for (const auto& job : jobs_) {
      if (job.space) {
        MTPGRAFT_TRY(const auto file_system, files_.file_system_of(job.space->path));
        auto& sum = by_file_system[file_system];
        sum = {job.space->path, sum.needed_bytes + job.space->needed_bytes, job.space->free_bytes};
        report_.needed_bytes += job.space->needed_bytes;
      }
    }
    for (const auto& [file_system, sum] : by_file_system) {
      if (sum.needed_bytes > sum.free_bytes) {
        problems_.push_back({.code = ErrorCode::kIo,
                             .message = fmt::format("no space: the outputs there need {} together, {} are free",
                                                    format_bytes(sum.needed_bytes), format_bytes(sum.free_bytes)),
                             .path = as_path(sum.path).parent_path().string(),
                             .hint = "free some space, or give the plan an output_directory on another disk"});
      }
    }
    return ok_status();
  }

  void collect_report() {
    report_.grafts.clear();
    for (const auto& job : jobs_) {
      report_.grafts.push_back(job.released);
    }
  }

  std::vector<Error> check_places() {
    auto lists = check_lists(report_.grafts, places_.lists, problems_.empty(), request_.overwrite, files_);
    report_.lists = std::move(lists.paths);
    warnings_ = std::move(lists.warnings);
    auto errors = std::move(lists.problems);
    std::ranges::move(check_names(jobs_, report_.lists, plan_stamps_, files_), std::back_inserter(errors));
    return errors;
  }

  [[nodiscard]] std::string list_path(std::string_view name) const { return path_in(places_.lists, std::string(name)); }

  // Works on the grafts in that state; what stands in the way of one is no reason to leave out the others. Fails only
  // if it was interrupted.
  Status do_jobs(Phase phase, ReleaseState state,
                 const std::function<Status(ReleaseJob&, const Progress&, FileSystem&)>& work) {
    std::vector<ReleaseJob*> todo;
    std::uint64_t bytes = 0;
    for (auto& job : jobs_) {
      if (job.released.state == state) {
        todo.push_back(&job);
        bytes += job.released.bytes();
      }
    }
    // What is compared is read once more for its digests.
    const auto total = context_.begin(phase, state == ReleaseState::kPresent ? 2 * bytes : bytes);
    std::mutex console;
    const Progress progress = [&](std::uint64_t done) {
      const std::lock_guard lock(console);
      return !total || total(done);
    };
    const auto run = [&](std::size_t index, std::size_t /*worker*/) -> Status {
      auto& job = *todo[index];
      {
        const std::lock_guard lock(console);
        tell_begun(job);
      }
      auto status = work(job, progress, files_);
      if (status.ok()) {
        const std::lock_guard lock(console);
        if (observer_.finished) {
          observer_.finished(job.released);
        }
      } else if (status.error().code == ErrorCode::kInterrupted) {
        return status;
      } else {
        job.problem = std::move(status.error());
      }
      return ok_status();
    };
    auto outcome = parallel_for(todo.size(), run, request_.jobs);
    if (!outcome.ok() && outcome.error().code == ErrorCode::kInterrupted) {
      return Error{.code = ErrorCode::kInterrupted,
                   .message = "interrupted; run it again to go on: what is complete is kept",
                   .is_retryable = true};
    }
    MTPGRAFT_CHECK(std::move(outcome));
    for (auto& job : jobs_) {
      if (job.problem) {
        add_problem(in_plan(std::move(*job.problem), job.graft));
      }
    }
    return ok_status();
  }

  // release.json is the last: when it tells of the release, everything is there.
  Status write_lists() {
    collect_report();
    const auto write = [&](std::string_view name, std::string_view text, Permissions permissions) {
      return write_list(files_, list_path(name), text, permissions, request_.durability);
    };
    // Who may not read one of the outputs is not told of it either.
    auto of_all = kNewFilePermissions;
    for (const auto& job : jobs_) {
      MTPGRAFT_CHECK(write(job.released.sums_name, job.sums, job.permissions));
      of_all &= job.permissions;
    }
    MTPGRAFT_CHECK(write(kSha256FileName, make_sha256_file(report_.grafts), of_all));
    return write(kReleaseFileName, make_release_file(report_.grafts, version()), of_all);
  }

  // The system's failures before those of files, and these before what was refused.
  static int severity(const Error& error) {
    const bool is_refusal = error.code == ErrorCode::kRefused || error.code == ErrorCode::kUsage;
    return error.code == ErrorCode::kIo ? 0 : is_refusal ? 2 : 1;
  }

  const ReleaseRequest& request_;
  const Context& context_;
  const ReleaseObserver& observer_;
  FileSystem& files_;
  ReleasePlaces places_;
  std::vector<FileStamp> plan_stamps_;
  std::vector<ReleaseJob> jobs_;
  std::vector<Error> problems_;
  std::set<std::pair<std::string, std::string>> told_;  // paths and messages of problems
  std::vector<Warning> warnings_;                       // of no graft
  ReleaseReport report_;
};

}  // namespace

Result<ReleaseReport> release(const ReleaseRequest& request, const Context& context, const ReleaseObserver& observer) {
  return Release(request, context, observer).run();
}

}  // namespace mtpgraft
