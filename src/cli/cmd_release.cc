#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <thread>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/release_job.h"
#include "mtpgraft/verify.h"
#include "release/release_plan.h"
#include "util/text.h"
#include "util/threads.h"

namespace mtpgraft::cli {
namespace {

// What real ones do not come near.
constexpr std::uint64_t kPlanBytesMax = std::uint64_t{1} << 20;
constexpr std::uint64_t kListBytesMax = std::uint64_t{64} << 20;

Result<std::string> read_text(const ReadableFile& file, std::uint64_t bytes_max) {
  if (file.size() > bytes_max) {
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

class Release {
 public:
  Release(const ReleaseOptions& options, const OutputOptions& output, FileSystem& files)
      : options_(options), output_(output), files_(files) {
    report_.plan_path = options.plan;
    report_.dry_run = options.dry_run;
    places_.plan = std::filesystem::path(options.plan).parent_path().string();
  }

  Result<int> run() {
    MTPGRAFT_CHECK(read_plan());
    MTPGRAFT_CHECK(check_all());
    if (!problems_.empty()) {
      return give_up("nothing was written");
    }
    for (const auto& warning : warnings_) {
      log_warning(warning);
    }
    for (const auto& job : jobs_) {
      for (const auto& warning : job.released.warnings) {
        log_warning(fmt::format("{}: {}", job.released.target.path, warning.message));
      }
    }
    if (!options_.dry_run) {
      MTPGRAFT_CHECK(do_jobs("compare", report::ReleaseState::kPresent, compare_job));
      if (!problems_.empty()) {
        return give_up("nothing was written");
      }
      if (!places_.outputs.empty()) {
        MTPGRAFT_CHECK(files_.make_directory(places_.outputs));
      }
      MTPGRAFT_CHECK(do_jobs("graft", report::ReleaseState::kToWrite, write_job));
      if (!problems_.empty()) {
        return give_up("the lists were not written; run it again to go on");
      }
      MTPGRAFT_CHECK(write_lists());
    }
    collect_report();
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
    auto file = files_.open(options_.plan);
    if (!file.ok()) {
      // Only where it would tell of donors on servers, or of a change in place.
      file.error().hint = file.error().has_advice() ? "name the plan, a JSON file" : "";
      file.error().remedy = Remedy::kNone;
      return std::move(file.error());
    }
    MTPGRAFT_TRY(const auto text, read_text(*file.value(), kPlanBytesMax));
    note_input(*file.value(), plan_stamps_);
    const auto plan = parse_release_plan(text, options_.plan, problems_);
    places_.outputs = plan.output_directory.empty() ? "" : path_in(places_.plan, plan.output_directory);
    std::error_code ignored;
    if (exists(places_.outputs) && !std::filesystem::is_directory(places_.outputs, ignored)) {
      problems_.push_back({ErrorCode::kIo, "/output_directory: is not a directory", options_.plan});
      return ok_status();
    }
    places_.lists = places_.outputs.empty() ? places_.plan : places_.outputs;
    const auto list = [&](const std::string& directory) { return list_directory(path_in(places_.plan, directory)); };
    for (auto& graft : resolve_release(plan, options_.plan, list, problems_)) {
      jobs_.push_back({std::move(graft), options_.force, options_.no_sync});
    }
    return ok_status();
  }

  // All that can be checked without reading tensor data.
  Status check_all() {
    if (jobs_.empty()) {
      return ok_status();
    }
    const auto progress = make_progress("", 0, {.json = output_.json, .quiet = true});
    for (auto& job : jobs_) {
      if (!check_options(job.graft)) {
        continue;
      }
      auto status = check_job(job, places_, progress, files_);
      if (!status.ok()) {
        if (status.error().code == ErrorCode::kInterrupted) {
          return status;
        }
        add_problem(in_plan(std::move(status.error()), job.graft));
      }
    }
    if (problems_.empty()) {
      MTPGRAFT_CHECK(check_space());
    }
    collect_report();
    check_lists(problems_.empty());
    check_names();
    return ok_status();
  }

  // One of the defaults is a problem of many grafts.
  void add_problem(Error problem) {
    if (std::ranges::none_of(problems_, [&](const Error& other) {
          return other.path == problem.path && other.message == problem.message;
        })) {
      problems_.push_back(std::move(problem));
    }
  }

  // Each alone, so that all are told.
  bool check_options(const ReleaseGraft& graft) {
    bool all_right = true;
    for (const auto& option : graft.options) {
      auto alone = graft;
      alone.options = {option};
      auto parsed = parse_graft_arguments(graft_arguments(alone, places_.plan));
      if (!parsed.ok()) {
        auto& message = parsed.error().message;
        message = message.starts_with("--") ? message : fmt::format("--{}: {}", option.name, message);
        add_problem(in_plan(std::move(parsed.error()), alone));
        all_right = false;
      }
    }
    return all_right;
  }

  // What is said of options is said of the plan here.
  Error in_plan(Error error, const ReleaseGraft& graft) const {
    if (error.path.empty()) {
      error.path = options_.plan;
      const auto is_at_fault = [&](const ReleaseOption& option) {
        const auto name = "--" + option.name;
        return report::field_name(error.field, report::Front::kCommandLine) == name ||
               error.message.starts_with(name + ':') || error.message.starts_with(name + ' ');
      };
      const auto option = std::ranges::find_if(graft.options, is_at_fault);
      if (option == graft.options.end()) {
        const auto name = report::field_name(error.field, report::Front::kPlan);
        error.message =
            fmt::format("{} ({}): {}{}{}", graft.pointer, graft.target, name, name.empty() ? "" : " ", error.message);
      } else if (error.field != RequestField::kNone) {
        error.message = fmt::format("{}: {}", option->pointer, error.message);
      } else {
        const auto rest = error.message.find_first_not_of(": ", 2 + option->name.size());
        error.message = fmt::format("{}: {}", option->pointer, error.message.substr(rest));
      }
    } else {
      error.message += fmt::format(" ({})", graft.pointer);
    }
    if (error.hint.starts_with("mtpgraft ")) {
      error.hint.clear();  // of the command line: a plan has no --help
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
        problems_.push_back({ErrorCode::kIo,
                             fmt::format("no space: the outputs there need {} together, {} are free",
                                         format_bytes(sum.needed_bytes), format_bytes(sum.free_bytes)),
                             std::filesystem::path(sum.path).parent_path().string(),
                             {},
                             "free some space, or give the plan an output_directory on another disk"});
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

  [[nodiscard]] std::string list_path(std::string_view name) const { return path_in(places_.lists, std::string(name)); }

  // An old list is replaced; what only has the name of one is not, nor one with files that have left the plan.
  void check_lists(bool all_planned) {
    const auto check_list = [&](const std::string& path, const std::function<bool(std::string_view)>& is_list) {
      report_.lists.push_back(path);
      if (!exists(path)) {
        return;
      }
      const auto file = files_.open(path);
      const auto text = file.ok() ? read_text(*file.value(), kListBytesMax) : Result<std::string>(file.error());
      if (text.ok() && is_list(text.value())) {
        return;
      }
      if (!options_.force) {
        problems_.push_back(text.ok() ? Error{ErrorCode::kRefused,
                                              "exists, and is not a list of a release",
                                              path,
                                              {},
                                              "move it away, or use --force to replace it"}
                                      : text.error());
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
    const auto sums_path = list_path(report::kSha256FileName);
    check_list(sums_path, [&](std::string_view text) {
      const auto names = report::names_in_sha256_file(text);
      if (names && all_planned) {
        check_dropped(sums_path, *names);
      }
      return names.has_value();
    });
    check_list(list_path(report::kReleaseFileName), report::is_release_file);
  }

  // Files of the old list that this release does not make would lie unlisted beside it.
  void check_dropped(const std::string& list, const std::vector<std::string>& names) {
    for (const auto& name : names) {
      if (std::ranges::any_of(report_.grafts, [&](const auto& graft) {
            return std::ranges::find(graft.files, name, &report::ReleasedFile::name) != graft.files.end();
          })) {
        continue;
      }
      if (!options_.force) {
        problems_.push_back({ErrorCode::kRefused,
                             fmt::format("names '{}', which the plan does not make", name),
                             list,
                             {},
                             "if that has left the release, delete this list, or use --force, which replaces it"});
      } else if (exists(list_path(name))) {
        warnings_.push_back(fmt::format("{}: is no longer part of the release", list_path(name)));
      }
    }
  }

  // No file is to be written that is an input, or that is to be written twice.
  void check_names() {
    const auto refuse = [&](const std::string& path, std::string what) {
      problems_.push_back(
          {.code = ErrorCode::kRefused, .message = std::move(what), .path = path, .remedy = Remedy::kNameOutput});
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
    for (const auto& job : jobs_) {
      for (std::size_t i = 0; i < job.released.files.size(); ++i) {
        check_name(job.released.files[i].path, job.kept[i]);
      }
    }
    for (const auto& path : report_.lists) {
      check_name(path, std::nullopt);
    }
  }

  // Works on the grafts in that state; what stands in the way of one is no reason to leave out the others. Fails only
  // if it was interrupted.
  Status do_jobs(std::string label, report::ReleaseState state,
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
    const auto total =
        make_progress(std::move(label), state == report::ReleaseState::kPresent ? 2 * bytes : bytes, output_);
    std::mutex console;
    const Progress progress = [&](std::uint64_t done) {
      const std::lock_guard lock(console);
      return total(done);
    };
    std::atomic<std::size_t> next = 0;
    const auto run = [&] {
      for (auto at = next++; at < todo.size(); at = next++) {
        auto& job = *todo[at];
        auto status = work(job, progress, files_);
        if (status.ok()) {
          const std::lock_guard lock(console);
          tell(job.released);
          continue;
        }
        if (status.error().code == ErrorCode::kInterrupted) {
          next = todo.size();
        }
        job.problem = std::move(status.error());
      }
    };
    {
      std::vector<JoiningThread> threads;
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
        add_problem(in_plan(std::move(*job.problem), job.graft));
      }
    }
    return ok_status();
  }

  void tell(const report::ReleasedGraft& graft) const {
    if (output_.json || graft.state == report::ReleaseState::kToWrite) {
      return;
    }
    log_note(graft.state == report::ReleaseState::kSkipped
                 ? fmt::format("{}: skipped: all {} are there as planned", graft.output, format_bytes(graft.bytes()))
                 : fmt::format("{}: written, {}", graft.output, format_bytes(graft.bytes())));
  }

  // A list that is as it should be is left alone.
  Status write_list(const std::string& path, std::string_view text) {
    if (exists(path)) {
      MTPGRAFT_TRY(const auto file, files_.open(path));
      MTPGRAFT_TRY(const auto old, read_text(*file, kListBytesMax));
      if (old == text) {
        return ok_status();
      }
    }
    MTPGRAFT_TRY(const auto staged, files_.stage(path, text.size()));
    MTPGRAFT_CHECK(staged->write_at(0, std::as_bytes(std::span(text))));
    MTPGRAFT_CHECK(staged->commit(Overwrite::kYes, options_.no_sync ? Durability::kNoSync : Durability::kSync));
    return ok_status();
  }

  // release.json is the last: when it tells of the release, everything is there.
  Status write_lists() {
    collect_report();
    for (const auto& job : jobs_) {
      MTPGRAFT_CHECK(write_list(list_path(job.released.sums_name), job.sums));
    }
    MTPGRAFT_CHECK(write_list(list_path(report::kSha256FileName), report::make_sha256_file(report_.grafts)));
    return write_list(list_path(report::kReleaseFileName), report::make_release_file(report_.grafts, MTPGRAFT_VERSION));
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
        log_error(problem, report::Front::kPlan);
      }
      log_problem(fmt::format("{} {}; {}", report_.problems.size(),
                              report_.problems.size() == 1 ? "problem" : "problems", outcome));
    }
    return exit_code(report_.problems.front().code);
  }

  const ReleaseOptions& options_;
  const OutputOptions& output_;
  FileSystem& files_;
  ReleasePlaces places_;
  std::vector<FileStamp> plan_stamps_;
  std::vector<ReleaseJob> jobs_;
  std::vector<Error> problems_;
  std::vector<std::string> warnings_;  // of no graft
  report::ReleaseReport report_;
};

}  // namespace

Result<int> run_release(const ReleaseOptions& options, const OutputOptions& output, FileSystem& files) {
  return Release(options, output, files).run();
}

}  // namespace mtpgraft::cli
