#include "cli/write_plan.h"

#include <fmt/core.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <span>

#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "io/directory_lock.h"
#include "mtpgraft/execute.h"
#include "mtpgraft/split.h"
#include "mtpgraft/verify.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

using Clock = std::chrono::steady_clock;

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

InPlaceChange in_place_change(const FilePlan& plan) { return {plan_body(plan), plan.output_size}; }

// What the output takes on disk: neither what is cloned, nor holes of a sparse target, which stay holes.
std::uint64_t needed_bytes(const FilePlan& plan, const ReadableFile& target, bool clones) {
  if (clones) {
    return plan.output_size - clonable_part(plan_body(plan)).length;
  }
  const auto hole_bytes = target.size() - std::min(target.size(), target.stored_bytes());
  return plan.output_size - std::min(plan.output_size, hole_bytes);
}

Status check_space(const report::Writing& writing) {
  if (writing.needed_bytes > writing.free_bytes) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("no space: {} needed, {} free", format_bytes(writing.needed_bytes),
                                        format_bytes(writing.free_bytes)),
                 .path = writing.path,
                 .hint = "free some space",
                 .remedy = writing.in_place ? Remedy::kNone : Remedy::kOtherDisk};
  }
  return ok_status();
}

bool is_link(const report::OutputFile& file) {
  return file.way == report::OutputFile::Way::kHardLinked || file.way == report::OutputFile::Way::kSymlinked;
}

void add_totals(report::Writing& writing) {
  auto& totals = writing.totals;
  std::uint64_t not_copied = 0;
  for (const auto& copy : writing.copies) {
    totals.cloned += copy.cloned_bytes;
    totals.kept += copy.copied.kept;
    not_copied += copy.cloned_bytes + copy.copied.kept + copy.copied.holes;
  }
  for (const auto& file : writing.outputs) {
    (is_link(file) ? totals.linked : totals.copied) += file.bytes;
  }
  totals.copied -= not_copied;
}

Durability durability_of(const WriteOptions& options) {
  return options.no_sync ? Durability::kNoSync : Durability::kSync;
}

Overwrite overwrite_of(const WriteOptions& options) {
  return options.force || options.in_place ? Overwrite::kYes : Overwrite::kNo;
}

Result<std::unique_ptr<StagedFile>> stage_checksums(const std::vector<Checksum>& checksums, const WriteOptions& options,
                                                    FileSystem& files) {
  const auto text = format_checksums(checksums);
  MTPGRAFT_TRY(auto staged, files.stage(*options.checksums, text.size()));
  MTPGRAFT_CHECK(staged->write_at(0, std::as_bytes(std::span(text))));
  return staged;
}

Status name_checksums(StagedFile& staged, const WriteOptions& options) {
  MTPGRAFT_CHECK(staged.commit(options.force ? Overwrite::kYes : Overwrite::kNo, durability_of(options)));
  return ok_status();
}

// Whatever goes wrong with the checksums once the output has its name.
Status keep_output(Status status, const report::Writing& writing) {
  if (!status.ok()) {
    status.error().details.push_back(fmt::format("'{}' is complete; only its checksums are missing", writing.path));
  }
  return status;
}

// Those of the output when it is done.
Status write_checksums_by_reading(const WriteOptions& options, const OutputOptions& output, FileSystem& files,
                                  const report::Writing& writing) {
  MTPGRAFT_TRY(const auto written, open_model(files, writing.path));
  MTPGRAFT_TRY(const auto checksums, compute_checksums(*written.file, written.gguf, DigestAlgorithm::kXxh128,
                                                       make_progress("checksum", written.file->size(), output)));
  MTPGRAFT_TRY(const auto staged, stage_checksums(checksums, options, files));
  return name_checksums(*staged, options);
}

Status check_checksums_name(std::span<const ReadableFile* const> inputs, const WriteOptions& options, FileSystem& files,
                            const report::Writing& writing) {
  if (!options.checksums) {
    return ok_status();
  }
  for (const auto& file : writing.outputs) {
    if (is_same_output(*options.checksums, file.path)) {
      return Error{ErrorCode::kRefused, "is the output too", *options.checksums, {}, "give the checksums another name"};
    }
  }
  auto status = files.check_output(*options.checksums, inputs, options.force ? Overwrite::kYes : Overwrite::kNo);
  if (!status.ok()) {
    status.error().hint.clear();
    status.error().remedy = Remedy::kNameChecksums;
  }
  return status;
}

// The file that a shard of the output is, if it is one of the target's.
const ReadableFile* kept_file(const Plan& plan, std::size_t index, const Sources& sources) {
  const auto kept = plan.files[index].kept_shard;
  return kept ? sources.target->sources()[*kept] : nullptr;
}

// How a shard that stays as it is will get to `path`, as far as it can be told by trying it there.
Result<report::OutputFile::Way> choose_way(const FilePlan& plan, const ReadableFile& source, const Sources& sources,
                                           const std::string& path, Link link, FileSystem& files) {
  using Way = report::OutputFile::Way;
  if (link == Link::kCopy) {
    return Way::kCopied;
  }
  if (link == Link::kAuto || link == Link::kHard || link == Link::kSymbolic) {
    auto probe = files.stage_link(path, source, link == Link::kSymbolic ? LinkMethod::kSymbolic : LinkMethod::kHard);
    if (probe.ok()) {
      return link == Link::kSymbolic ? Way::kSymlinked : Way::kHardLinked;
    }
    if (link != Link::kAuto) {
      probe.error().hint = "use --link=auto, which clones or copies where that is impossible";
      return probe.error();
    }
  }
  MTPGRAFT_TRY(const auto obstacle, find_clone_obstacle(plan, *sources.target, path, files));
  if (obstacle && link == Link::kClone) {
    return Error{ErrorCode::kIo,
                 "cannot clone the shard: " + *obstacle,
                 source.path(),
                 {},
                 "use --link=auto, which copies what cannot be cloned"};
  }
  return obstacle ? Way::kCopied : Way::kCloned;
}

// The method for a file that is not a link.
CopyMethod method_of(report::OutputFile::Way way, const WriteOptions& options) {
  if (way == report::OutputFile::Way::kWritten) {
    return options.copy;
  }
  return options.link == Link::kCopy ? CopyMethod::kBuffered : CopyMethod::kAuto;
}

Status write_file(const FilePlan& plan, const Sources& sources, const WriteOptions& options, ByteSink observe,
                  const Progress& progress, FileSystem& files, report::Writing& writing,
                  const std::function<Status()>& before_naming) {
  const auto method = writing.in_place == InPlaceMethod::kInsert ? CopyMethod::kBuffered : options.copy;
  const ExecuteOptions how{method, std::move(observe)};
  MTPGRAFT_TRY(const auto staged, writing.in_place
                                      ? files.stage_in_place(*sources.target, in_place_change(plan), *writing.in_place)
                                      : files.stage(writing.path, plan.output_size));
  MTPGRAFT_TRY(writing.copies, execute_plan(plan, *sources.target, *sources.donor, *staged, how, progress));
  MTPGRAFT_CHECK(before_naming ? before_naming() : ok_status());
  MTPGRAFT_TRY(writing.totals.allocated, staged->commit(overwrite_of(options), durability_of(options)));
  return ok_status();
}

// Gives all files their names, or none. Another graft with --force to the same names comes before or after, not
// between.
Status name_files(const std::vector<std::unique_ptr<StagedFile>>& staged, const WriteOptions& options,
                  FileSystem& files, report::Writing& writing) {
  MTPGRAFT_TRY(const auto lock, lock_directory_of(writing.path));
  if (options.force) {
    // Old and new files must at no time look like one model.
    MTPGRAFT_CHECK(files.remove(writing.path));
  }
  for (std::size_t i = 1; i <= staged.size(); ++i) {
    auto allocated =
        staged[i % staged.size()]->commit(options.force ? Overwrite::kYes : Overwrite::kNo, durability_of(options));
    if (!allocated.ok()) {
      if (options.force) {
        // The first file may have its name already; what had it before is gone.
        (void)files.remove(writing.path).ok();
      }
      for (std::size_t named = 1; named < i; ++named) {
        (void)files.remove(writing.outputs[named].path).ok();
      }
      return allocated.error();
    }
    writing.totals.allocated += allocated.value();
  }
  return ok_status();
}

Status check_writing_file(const FilePlan& plan, const Sources& sources, const WriteOptions& options, FileSystem& files,
                          report::Writing& writing) {
  const auto overwrite = options.force ? Overwrite::kYes : Overwrite::kNo;
  const auto& target = *sources.target;
  const auto inputs = std::to_array<const ReadableFile*>({&target, sources.donor.get()});
  bool clones = false;
  writing.outputs = {{writing.path, report::OutputFile::Way::kWritten, plan.output_size}};
  // Here already, in case that the checks end early.
  writing.needed_bytes = needed_bytes(plan, target, clones);
  auto free_bytes = files.free_bytes(writing.path);
  writing.free_bytes = free_bytes.ok() ? free_bytes.value() : 0;
  if (options.in_place) {
    MTPGRAFT_TRY(writing.in_place, files.in_place_method(target, in_place_change(plan)));
    clones = writing.in_place == InPlaceMethod::kClone;
  } else {
    MTPGRAFT_CHECK(files.check_output(writing.path, inputs, overwrite));
    MTPGRAFT_TRY(clones, check_clones(plan, target, writing.path, options.copy, files));
  }
  MTPGRAFT_CHECK(check_checksums_name(inputs, options, files, writing));
  if (writing.in_place == InPlaceMethod::kInsert) {
    // The journal has the old and the new header.
    writing.needed_bytes = plan.output_size - std::min(plan.output_size, target.size()) +
                           2 * (std::max(plan.data_offset, plan_body(plan).source_offset) + kCloneBlockBytes);
  } else {
    writing.needed_bytes = needed_bytes(plan, target, clones);
  }
  MTPGRAFT_CHECK(std::move(free_bytes));
  return ok_status();
}

// The same for an output that is a split model, whose first file is to be `writing.path`.
Status check_writing_set(const Plan& plan, const Sources& sources, const WriteOptions& options, FileSystem& files,
                         report::Writing& writing) {
  using Way = report::OutputFile::Way;
  const auto overwrite = options.force ? Overwrite::kYes : Overwrite::kNo;
  auto inputs = sources.target->sources();
  std::ranges::copy(sources.donor->sources(), std::back_inserter(inputs));
  MTPGRAFT_TRY(writing.free_bytes, files.free_bytes(writing.path));
  writing.needed_bytes = 0;
  auto name = parse_shard_name(writing.path).value();
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    const auto& file = plan.files[i];
    name.number = i + 1;
    const auto path = format_shard_name(name);
    const auto* kept = kept_file(plan, i, sources);
    // A name that an earlier graft gave to the very shard may be given to it again.
    auto others = inputs;
    std::erase(others, kept);
    MTPGRAFT_CHECK(files.check_output(path, others, overwrite));
    auto way = Way::kWritten;
    bool clones = false;
    if (kept != nullptr) {
      MTPGRAFT_TRY(way, choose_way(file, *kept, sources, path, options.link, files));
      clones = way == Way::kCloned;
    } else if (plan_body(file).length > 0) {
      MTPGRAFT_TRY(clones, check_clones(file, *sources.target, path, options.copy, files));
    }
    writing.outputs.push_back({path, way, file.output_size});
    writing.needed_bytes += is_link(writing.outputs.back()) ? 0 : needed_bytes(file, *sources.target, clones);
  }
  return check_checksums_name(inputs, options, files, writing);
}

// All files are complete before the first of them gets its name, and the first shard, without which the others are no
// model, gets it last.
Status write_set(const Plan& plan, const Sources& sources, const WriteOptions& options, const Observers& observers,
                 const Progress& progress, FileSystem& files, report::Writing& writing,
                 const std::function<Status()>& before_naming) {
  using Way = report::OutputFile::Way;
  std::vector<std::unique_ptr<StagedFile>> staged;
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    const auto& [path, way, size] = writing.outputs[i];
    if (is_link(writing.outputs[i])) {
      const auto method = way == Way::kSymlinked ? LinkMethod::kSymbolic : LinkMethod::kHard;
      MTPGRAFT_TRY(staged.emplace_back(), files.stage_link(path, *kept_file(plan, i, sources), method));
      continue;
    }
    MTPGRAFT_TRY(staged.emplace_back(), files.stage(path, size));
    MTPGRAFT_TRY(auto copies, execute_plan(plan.files[i], *sources.target, *sources.donor, *staged.back(),
                                           {method_of(way, options), observers ? observers(i) : ByteSink{}}, progress));
    std::ranges::move(copies, std::back_inserter(writing.copies));
  }
  MTPGRAFT_CHECK(before_naming ? before_naming() : ok_status());
  return name_files(staged, options, files, writing);
}

// The checksums are those of the bytes that were written, where all of them came through here; they are then complete
// on disk, too, before the output gets its name.
Status write_with_checksums(const Plan& plan, Sources sources, const WriteOptions& options, const Progress& progress,
                            const OutputOptions& output, FileSystem& files, report::Writing& writing) {
  if (plan.files.size() > 1 || writing.in_place == InPlaceMethod::kInsert) {
    MTPGRAFT_CHECK(write_output(plan, sources, options, {}, progress, files, writing));
    sources = {};  // the file is read when it is no longer leased
    return keep_output(write_checksums_by_reading(options, output, files, writing), writing);
  }
  ChecksumCollector collector(plan.files.front());
  const auto observe = [&](std::span<const std::byte> bytes) { collector.observe(bytes); };
  std::unique_ptr<StagedFile> staged;
  const auto stage = [&]() -> Status {
    MTPGRAFT_TRY(staged, stage_checksums(collector.finish(), options, files));
    return ok_status();
  };
  MTPGRAFT_CHECK(write_output(
      plan, sources, options, [&](std::size_t) { return ByteSink(observe); }, progress, files, writing, stage));
  return keep_output(name_checksums(*staged, options), writing);
}

}  // namespace

Result<OpenedModel> open_to_change(const std::string& path, FileSystem& files) {
  MTPGRAFT_TRY(std::shared_ptr<const ReadableFile> file, files.open_to_change(path));
  MTPGRAFT_TRY(auto gguf, parse_gguf(*file));
  if (is_lone_shard(gguf)) {
    return Error{ErrorCode::kRefused,
                 "a split model is not changed in place",
                 path,
                 {},
                 "leave out --in-place: the files that stay as they are get a second name, and are not copied"};
  }
  return OpenedModel{std::move(file), std::move(gguf)};
}

Status check_writing(const Plan& plan, const Sources& sources, const WriteOptions& options, FileSystem& files,
                     report::Writing& writing) {
  return plan.files.size() == 1 ? check_writing_file(plan.files.front(), sources, options, files, writing)
                                : check_writing_set(plan, sources, options, files, writing);
}

std::uint64_t bytes_to_write(const report::Writing& writing) {
  std::uint64_t bytes = 0;
  for (const auto& file : writing.outputs) {
    bytes += is_link(file) ? 0 : file.bytes;
  }
  return bytes;
}

Status write_output(const Plan& plan, const Sources& sources, const WriteOptions& options, const Observers& observers,
                    const Progress& progress, FileSystem& files, report::Writing& writing,
                    const std::function<Status()>& before_naming) {
  if (plan.files.size() == 1) {
    const auto observe = observers ? observers(0) : ByteSink{};
    MTPGRAFT_CHECK(write_file(plan.files.front(), sources, options, observe, progress, files, writing, before_naming));
  } else {
    MTPGRAFT_CHECK(write_set(plan, sources, options, observers, progress, files, writing, before_naming));
  }
  add_totals(writing);
  return ok_status();
}

Status check_names(const WriteOptions& options) {
  const auto usage = [](std::string message, std::string hint) {
    return Error{ErrorCode::kUsage, std::move(message), {}, {}, std::move(hint)};
  };
  if (options.checksums == "" || options.checksums == "-") {
    return usage("--checksums needs the name of a file", "for stdout: mtpgraft checksum OUTPUT");
  }
  if (options.output == "") {
    return usage("the name after -o is empty", "give the output a name with -o");
  }
  if (options.output == "-") {
    return usage("a GGUF cannot go to stdout", "give the output a name with -o");
  }
  return ok_status();
}

Result<int> deliver(const Delivery& delivery, Sources sources, const OutputOptions& output, FileSystem& files) {
  const auto start = Clock::now();
  const auto& [label, plan, options, warnings, writing, prepare, describe, to_json] = delivery;
  auto obstacle = check_writing(plan, sources, options, files, writing);
  if (obstacle.ok()) {
    obstacle = check_space(writing);
  }
  if (!options.dry_run || output.json) {
    MTPGRAFT_CHECK(obstacle);
  }
  for (const auto& warning : warnings) {
    log_warning(warning.message);
  }
  if (!options.dry_run) {
    if (prepare) {
      MTPGRAFT_CHECK(prepare());
    }
    const auto progress = make_progress(std::string(label), bytes_to_write(writing), output);
    MTPGRAFT_CHECK(options.checksums
                       ? write_with_checksums(plan, std::move(sources), options, progress, output, files, writing)
                       : write_output(plan, sources, options, {}, progress, files, writing));
    writing.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  if (output.json) {
    MTPGRAFT_CHECK(print_answer(to_json() + '\n'));
  } else if (!output.quiet) {
    MTPGRAFT_CHECK(print_answer(describe(options.dry_run || options.verbose)));
  }
  MTPGRAFT_CHECK(std::move(obstacle));
  return 0;
}

bool is_same_output(const std::string& a, const std::string& b) {
  const auto parent = [](const std::filesystem::path& path) {
    return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  };
  const auto name = [](const std::filesystem::path& path) { return path.filename().string(); };
  std::error_code ignored;
  // Some directories do not tell upper from lower case.
  return std::filesystem::equivalent(parent(a), parent(b), ignored) &&
         ::strcasecmp(name(a).c_str(), name(b).c_str()) == 0;
}

}  // namespace mtpgraft::cli
