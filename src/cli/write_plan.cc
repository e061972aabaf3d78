#include "cli/write_plan.h"

#include <fmt/core.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <span>

#include "cli/output.h"
#include "cli/progress.h"
#include "mtpgraft/execute.h"
#include "mtpgraft/verify.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Why the target's tensor data cannot be cloned into an output at `path`, as far as one block tells: it is tried with a
// file that is thrown away.
Result<std::optional<std::string>> find_clone_obstacle(const FilePlan& plan, const ReadableFile& target,
                                                       const std::string& path, FileSystem& files) {
  if (clonable_part(plan_body(plan)).length == 0) {
    return std::optional<std::string>("they are not at the same place of a disk block in both files, or too short");
  }
  MTPGRAFT_TRY(const auto probe, files.stage(path, kCloneBlockBytes));
  return probe->clone_from(target, {0, 0, kCloneBlockBytes});
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
    return Error{ErrorCode::kIo,
                 fmt::format("no space: {} needed, {} free", format_bytes(writing.needed_bytes),
                             format_bytes(writing.free_bytes)),
                 writing.path,
                 {},
                 writing.in_place ? "free some space" : "free some space, or write to another disk with -o"};
  }
  return ok_status();
}

void add_totals(const FilePlan& plan, report::Writing& writing) {
  auto& totals = writing.totals;
  std::uint64_t holes = 0;
  for (const auto& copy : writing.copies) {
    totals.cloned += copy.cloned_bytes;
    totals.kept += copy.copied.kept;
    holes += copy.copied.holes;
  }
  totals.copied = plan.output_size - totals.cloned - totals.kept - holes;
}

Durability durability_of(const WriteOptions& options) {
  return options.no_sync ? Durability::kNoSync : Durability::kSync;
}

Overwrite overwrite_of(const WriteOptions& options) {
  return options.force || options.in_place ? Overwrite::kYes : Overwrite::kNo;
}

Status write_checksums(const std::vector<Checksum>& checksums, const WriteOptions& options, FileSystem& files) {
  const auto text = format_checksums(checksums);
  MTPGRAFT_TRY(const auto staged, files.stage(*options.checksums, text.size()));
  MTPGRAFT_CHECK(staged->write_at(0, std::as_bytes(std::span(text))));
  MTPGRAFT_CHECK(staged->commit(options.force ? Overwrite::kYes : Overwrite::kNo, durability_of(options)));
  return ok_status();
}

Status write_file(std::string_view label, const FilePlan& plan, const Sources& sources, ByteSink observe,
                  const WriteOptions& options, const OutputOptions& output, FileSystem& files,
                  report::Writing& writing) {
  const auto method = writing.in_place == InPlaceMethod::kInsert ? CopyMethod::kBuffered : options.copy;
  const ExecuteOptions how{method, std::move(observe)};
  MTPGRAFT_TRY(const auto staged, writing.in_place
                                      ? files.stage_in_place(*sources.target, in_place_change(plan), *writing.in_place)
                                      : files.stage(writing.path, plan.output_size));
  MTPGRAFT_TRY(writing.copies, execute_plan(plan, *sources.target, *sources.donor, *staged, how,
                                            make_progress(std::string(label), plan.output_size, output)));
  MTPGRAFT_TRY(writing.totals.allocated, staged->commit(overwrite_of(options), durability_of(options)));
  add_totals(plan, writing);
  return ok_status();
}

Status write_file_and_checksums(std::string_view label, const FilePlan& plan, Sources sources,
                                const WriteOptions& options, const OutputOptions& output, FileSystem& files,
                                report::Writing& writing) {
  if (writing.in_place == InPlaceMethod::kInsert) {
    // The body does not come along; the file is read when it is done and no longer leased.
    MTPGRAFT_CHECK(write_file(label, plan, sources, {}, options, output, files, writing));
    sources = {};
    MTPGRAFT_TRY(const auto changed, files.open(writing.path));
    MTPGRAFT_TRY(const auto gguf, parse_gguf(*changed));
    MTPGRAFT_TRY(const auto checksums,
                 compute_checksums(*changed, gguf, make_progress("checksum", changed->size(), output)));
    return write_checksums(checksums, options, files);
  }
  ChecksumCollector collector(plan);
  const auto observe = [&](std::span<const std::byte> bytes) { collector.observe(bytes); };
  MTPGRAFT_CHECK(write_file(label, plan, sources, observe, options, output, files, writing));
  return write_checksums(collector.finish(), options, files);
}

}  // namespace

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

Status check_writing(const FilePlan& plan, const Sources& sources, const WriteOptions& options, FileSystem& files,
                     report::Writing& writing) {
  const auto overwrite = options.force ? Overwrite::kYes : Overwrite::kNo;
  const auto& target = *sources.target;
  const auto inputs = std::to_array<const ReadableFile*>({&target, sources.donor.get()});
  bool clones = false;
  // Here already, in case that the checks end early.
  writing.needed_bytes = needed_bytes(plan, target, clones);
  auto free_bytes = files.free_bytes(writing.path);
  writing.free_bytes = free_bytes.ok() ? free_bytes.value() : 0;
  if (options.in_place) {
    MTPGRAFT_TRY(writing.in_place, files.in_place_method(target, in_place_change(plan)));
    clones = writing.in_place == InPlaceMethod::kClone;
  } else {
    MTPGRAFT_CHECK(files.check_output(writing.path, inputs, overwrite));
    if (options.copy == CopyMethod::kAuto || options.copy == CopyMethod::kClone) {
      MTPGRAFT_TRY(const auto obstacle, find_clone_obstacle(plan, target, writing.path, files));
      if (obstacle && options.copy == CopyMethod::kClone) {
        return clone_refusal(target.path(), *obstacle);
      }
      clones = !obstacle;
    }
  }
  if (options.checksums) {
    if (is_same_path(*options.checksums, writing.path)) {
      return Error{ErrorCode::kRefused, "is the output too", *options.checksums, {}, "give the checksums another name"};
    }
    auto status = files.check_output(*options.checksums, inputs, overwrite);
    if (!status.ok()) {
      status.error().hint = "give --checksums another name, or use --force if it is an old list";
      return status;
    }
  }
  if (writing.in_place == InPlaceMethod::kInsert) {
    // The journal has the old and the new header.
    writing.needed_bytes = plan.output_size - std::min(plan.output_size, target.size()) +
                           2 * (std::max(plan.data_offset, plan_body(plan).source_offset) + kCloneBlockBytes);
  } else {
    writing.needed_bytes = needed_bytes(plan, target, clones);
  }
  MTPGRAFT_CHECK(std::move(free_bytes));
  return check_space(writing);
}

Status write_plan(std::string_view label, const FilePlan& plan, Sources sources, const WriteOptions& options,
                  const OutputOptions& output, FileSystem& files, report::Writing& writing) {
  const auto start = Clock::now();
  MTPGRAFT_CHECK(options.checksums
                     ? write_file_and_checksums(label, plan, std::move(sources), options, output, files, writing)
                     : write_file(label, plan, sources, {}, options, output, files, writing));
  writing.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return ok_status();
}

// However the two are spelled; neither need exist.
bool is_same_path(const std::string& a, const std::string& b) {
  const auto plain = [](const std::string& path) {
    std::error_code ignored;
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
  };
  return plain(a) == plain(b);
}

}  // namespace mtpgraft::cli
