#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <span>
#include <utility>

#include "job/check_output.h"
#include "mtpgraft/job.h"
#include "mtpgraft/verify.h"
#include "util/hash.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

using Clock = std::chrono::steady_clock;
using Way = OutputFile::Way;
using StagedFiles = std::vector<std::unique_ptr<StagedFile>>;

// What the output has of the file that it is made of.
Permissions permissions_of(const Job& job, std::size_t index) {
  if (job.extract_form) {
    return job.sources.donor->permissions();
  }
  const auto* kept = kept_file(job.plan.files[index], job.sources);
  return kept != nullptr ? kept->permissions() : job.sources.target->permissions();
}

// Writes the files of one job under no name, then gives all of them their names.
class Writer {
 public:
  Writer(Job& job, const Context& context) : job_(job), output_(job.output), files_(context.files), context_(context) {}

  // Every file complete, and none with its name.
  Status stage(const Observers& observers) {
    const auto progress = context_.begin(Phase::kWrite, output_.bytes_to_write());
    for (std::size_t i = 0; i < job_.plan.files.size(); ++i) {
      const auto& plan = job_.plan.files[i];
      MTPGRAFT_TRY(staged_.emplace_back(), stage_file(i));
      if (output_.files[i].is_link()) {
        continue;
      }
      MTPGRAFT_TRY(auto copies,
                   execute_plan(plan, *job_.sources.target, *job_.sources.donor, *staged_.back(),
                                {method_of(output_.files[i].way), observers ? observers(i) : ByteSink()}, progress));
      std::ranges::move(copies, std::back_inserter(output_.copies));
    }
    return ok_status();
  }

  Status name() { return staged_.size() == 1 ? name_file() : name_files(); }

 private:
  Result<std::unique_ptr<StagedFile>> stage_file(std::size_t index) {
    const auto& [path, way, size] = output_.files[index];
    if (output_.in_place) {
      return files_.stage_in_place(*job_.sources.target, in_place_change(job_.plan.files[index]), *output_.in_place);
    }
    if (output_.files[index].is_link()) {
      return files_.stage_link(path, *kept_file(job_.plan.files[index], job_.sources),
                               way == Way::kSymlinked ? LinkMethod::kSymbolic : LinkMethod::kHard);
    }
    return files_.stage_with(path, size, permissions_of(job_, index));
  }

  [[nodiscard]] CopyMethod method_of(Way way) const {
    if (output_.in_place == InPlaceMethod::kInsert || (way != Way::kWritten && job_.request.link == Link::kCopy)) {
      return CopyMethod::kBuffered;
    }
    return way == Way::kWritten && !output_.in_place ? job_.request.copy : CopyMethod::kAuto;
  }

  Status commit(StagedFile& staged) {
    const auto overwrite = output_.in_place ? Overwrite::kYes : job_.request.overwrite;
    MTPGRAFT_TRY(const auto allocated, staged.commit(overwrite, job_.request.durability));
    output_.totals.allocated += allocated;
    return ok_status();
  }

  Status name_file() { return commit(*staged_.front()); }

  // The first file, without which the others are no model, gets its name last. Another graft with Overwrite::kYes to
  // the same names comes before or after, not between.
  Status name_files() {
    MTPGRAFT_TRY(const auto lock, files_.lock_names(output_.path, context_.begin(Phase::kWait, 0)));
    const bool overwrites = job_.request.overwrite == Overwrite::kYes;
    if (overwrites) {
      // Old and new files must at no time look like one model.
      MTPGRAFT_CHECK(files_.remove(output_.path));
    }
    for (std::size_t i = 1; i <= staged_.size(); ++i) {
      auto named = commit(*staged_[i % staged_.size()]);
      if (!named.ok()) {
        if (overwrites) {
          // The first file may have its name already; what had it before is gone.
          (void)files_.remove(output_.path).ok();
        }
        for (std::size_t other = 1; other < i; ++other) {
          (void)files_.remove(output_.files[other].path).ok();
        }
        return named;
      }
    }
    return ok_status();
  }

  Job& job_;
  Output& output_;
  FileSystem& files_;
  const Context& context_;
  StagedFiles staged_;
};

Result<std::unique_ptr<StagedFile>> stage_checksums(const std::vector<Checksum>& checksums, Permissions permissions,
                                                    const OutputRequest& request, FileSystem& files) {
  const auto text = format_checksums(checksums);
  auto staged = files.stage_with(request.checksums, text.size(), permissions);
  if (!staged.ok()) {
    staged.error().remedy = Remedy::kNameChecksums;
    return staged;
  }
  MTPGRAFT_CHECK(staged.value()->write_at(0, std::as_bytes(std::span(text))));
  return staged;
}

Status name_checksums(StagedFile& staged, const OutputRequest& request) {
  MTPGRAFT_CHECK(staged.commit(request.overwrite, request.durability));
  return ok_status();
}

// Whatever goes wrong with the checksums once the output has its name.
Status keep_output(Status status, const Output& output) {
  if (!status.ok()) {
    status.error().details.push_back(fmt::format("'{}' is complete; only its checksums are missing", output.path));
  }
  return status;
}

// Reads the output when it is done, and no longer leased.
Status write_checksums_by_reading(const Job& job, const Context& context) {
  MTPGRAFT_TRY(const auto written, open_model(context.files, job.output.path));
  MTPGRAFT_TRY(const auto checksums, compute_checksums(*written.file, written.gguf, DigestAlgorithm::kXxh128,
                                                       context.begin(Phase::kChecksum, written.file->size())));
  MTPGRAFT_TRY(const auto staged, stage_checksums(checksums, written.file->permissions(), job.request, context.files));
  return name_checksums(*staged, job.request);
}

// Of a checkpoint's file all bytes have one checksum, as other programs make and check it.
class Summer {
 public:
  explicit Summer(const Job& job) : name_(base_name(job.output.path)), collector_(job.plan.files.front()) {
    sums_whole_ = job.extract_form == ExtractForm::kCheckpoint;
  }
  void observe(std::span<const std::byte> bytes) {
    if (sums_whole_) {
      hasher_.update(bytes);
    } else {
      collector_.observe(bytes);
    }
  }
  std::vector<Checksum> finish() {
    return sums_whole_ ? std::vector{Checksum{name_, DigestAlgorithm::kXxh128, to_hex(hasher_.finish())}}
                       : collector_.finish();
  }

 private:
  std::string name_;
  bool sums_whole_ = false;
  Hasher hasher_;
  ChecksumCollector collector_;
};

void close_sources(Job& job) {
  job.sources = {};
  if (job.donor) {
    job.donor->file.reset();
  }
}

Status write_and_read_again(Job& job, const Context& context) {
  {
    Writer writer(job, context);
    MTPGRAFT_CHECK(writer.stage({}));
    MTPGRAFT_CHECK(writer.name());
  }
  close_sources(job);
  return keep_output(write_checksums_by_reading(job, context), job.output);
}

// The checksums are those of the bytes that were written; they are complete on disk, too, before the output gets its
// name.
Status write_with_checksums(Job& job, const Context& context) {
  Summer collector(job);
  Writer writer(job, context);
  MTPGRAFT_CHECK(writer.stage(
      [&](std::size_t) { return ByteSink([&](std::span<const std::byte> bytes) { collector.observe(bytes); }); }));
  MTPGRAFT_TRY(const auto staged,
               stage_checksums(collector.finish(), permissions_of(job, 0), job.request, context.files));
  MTPGRAFT_CHECK(writer.name());
  return keep_output(name_checksums(*staged, job.request), job.output);
}

Status write_files(Job& job, const Context& context, const Observers& observers) {
  if (job.request.checksums.empty()) {
    Writer writer(job, context);
    MTPGRAFT_CHECK(writer.stage(observers));
    return writer.name();
  }
  const bool all_pass_through = job.plan.files.size() == 1 && job.output.in_place != InPlaceMethod::kInsert;
  return all_pass_through ? write_with_checksums(job, context) : write_and_read_again(job, context);
}

void add_totals(Output& output) {
  auto& totals = output.totals;
  std::uint64_t not_copied = 0;
  for (const auto& copy : output.copies) {
    totals.cloned += copy.cloned_bytes;
    totals.kept += copy.copied.kept;
    not_copied += copy.cloned_bytes + copy.copied.kept + copy.copied.holes;
  }
  for (const auto& file : output.files) {
    (file.is_link() ? totals.linked : totals.copied) += file.bytes;
  }
  totals.copied -= not_copied;
}

}  // namespace

Status write(Job& job, const Context& context, const Observers& observers) {
  const auto start = Clock::now();
  MTPGRAFT_CHECK(check_open(job));
  if (!std::exchange(job.output.is_checked, false) || job.output.files.size() != job.plan.files.size()) {
    return Error{.code = ErrorCode::kUsage,
                 .message = "the job is to be checked before it is written, each time",
                 .path = job.output.path};
  }
  // Of an earlier try that failed.
  job.output.copies.clear();
  job.output.totals = {};
  MTPGRAFT_CHECK(complete(job, context));
  MTPGRAFT_CHECK(write_files(job, context, observers));
  add_totals(job.output);
  job.output.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (job.fetch) {
    job.fetch->received_bytes = job.donor->remote->received_bytes();
  }
  close_sources(job);
  return ok_status();
}

}  // namespace mtpgraft
