#include "mtpgraft/execute.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "io/read_ahead.h"
#include "io/stream.h"
#include "mtpgraft/remote.h"

namespace mtpgraft {
namespace {

// Cloning shorter ranges costs more than copying them.
constexpr std::uint64_t kMinClonedBytes = std::uint64_t{64} << 10;

class Executor {
 public:
  Executor(const FilePlan& plan, const ReadableFile& target, const ReadableFile& donor, StagedFile& output,
           const ExecuteOptions& options, const Progress& progress)
      : plan_(plan), target_(target), donor_(donor), output_(output), options_(options), progress_(progress) {
    std::uint64_t offset = 0;
    for (const auto& segment : plan.segments) {
      const auto length = segment_length(segment);
      if (const auto* copy = std::get_if<Copy>(&segment)) {
        auto at = offset;
        for (const auto& [file, range] : source_of(copy->source).pieces({copy->offset, length})) {
          copies_.push_back({copy->source, file, {range.offset, at, range.length}, 0, {}, {}});
          at += range.length;
        }
      }
      offset += length;
    }
  }

  Result<std::vector<CopiedSegment>> run() && {
    MTPGRAFT_CHECK(fetch(donor_, copied_ranges(plan_, Source::kDonor)));
    if (options_.method == CopyMethod::kAuto || options_.method == CopyMethod::kClone) {
      for (auto& copy : copies_) {
        MTPGRAFT_CHECK(clone(copy));
      }
    }
    for (const auto& copy : copies_) {
      for (const auto& range : rest_of(copy)) {
        MTPGRAFT_CHECK(output_.reserve(*copy.file, range));
      }
    }
    MTPGRAFT_CHECK(write_segments());
    MTPGRAFT_CHECK(target_.check_unchanged());
    MTPGRAFT_CHECK(donor_.check_unchanged());
    return std::move(copies_);
  }

 private:
  [[nodiscard]] const ReadableFile& source_of(Source source) const {
    return source == Source::kTarget ? target_ : donor_;
  }

  Status clone(CopiedSegment& copy) {
    const auto part = clonable_part(copy.range);
    if (part.length >= kMinClonedBytes) {
      MTPGRAFT_TRY(const auto obstacle, output_.clone_from(*copy.file, part));
      copy.cloned_bytes = obstacle ? 0 : part.length;
      copy.clone_obstacle = obstacle.value_or("");
      MTPGRAFT_CHECK(report_progress(progress_, copy.cloned_bytes));
    } else if (part.length == 0 && copy.range.length >= kMinClonedBytes) {
      copy.clone_obstacle = fmt::format("it begins {} bytes into a block of {}, and {} in the source",
                                        copy.range.offset % kCloneBlockBytes, kCloneBlockBytes,
                                        copy.range.source_offset % kCloneBlockBytes);
    }
    const bool is_body = copy.source == Source::kTarget && copy.range.offset == plan_.data_offset;
    if (options_.method == CopyMethod::kClone && is_body && copy.cloned_bytes == 0) {
      return clone_refusal(target_.path(), copy.clone_obstacle.empty() ? "they are too short" : copy.clone_obstacle);
    }
    return ok_status();
  }

  // What is left of a segment before and after its cloned part.
  static std::vector<CopyRange> rest_of(const CopiedSegment& copy) {
    if (copy.cloned_bytes == 0) {
      return {copy.range};
    }
    const auto cloned = clonable_part(copy.range);
    const auto before = cloned.offset - copy.range.offset;
    const auto after = before + cloned.length;
    return {copy.range.part(0, before), copy.range.part(after, copy.range.length - after)};
  }

  Status write_segments() {
    auto copy = copies_.begin();
    std::uint64_t offset = 0;
    for (const auto& segment : plan_.segments) {
      if (const auto* literal = std::get_if<Literal>(&segment)) {
        MTPGRAFT_CHECK(output_.write_at(offset, literal->bytes));
        if (options_.observe) {
          options_.observe(literal->bytes);
        }
      } else if (std::holds_alternative<Copy>(segment)) {
        for (const auto end = offset + segment_length(segment); copy != copies_.end() && copy->range.offset < end;
             ++copy) {
          MTPGRAFT_CHECK(write_copy(*copy));
        }
      } else {
        // Zeros need no writing: an output reads as zeros where nothing is written.
        show_zeros(options_.observe, segment_length(segment));
      }
      offset += segment_length(segment);
    }
    return ok_status();
  }

  Status write_copy(CopiedSegment& copy) {
    const auto& source = *copy.file;
    const CopyOptions how{options_.method, options_.observe};
    const auto rest = rest_of(copy);
    for (std::size_t i = 0; i < rest.size(); ++i) {
      if (i == 1 && options_.observe) {
        MTPGRAFT_CHECK(show_cloned(source, clonable_part(copy.range)));
      }
      if (rest[i].length > 0) {
        MTPGRAFT_TRY(const auto counts, output_.copy_from(source, rest[i], how, progress_));
        copy.copied += counts;
      }
    }
    return ok_status();
  }

  // The cloned bytes never came through here; they are read from the source, which is their only reading.
  Status show_cloned(const ReadableFile& source, const CopyRange& range) {
    return read_ahead(source, range.source_offset, range.length, [&](std::span<const std::byte> piece) {
      options_.observe(piece);
      return report_progress(progress_, std::uint64_t{0});
    });
  }

  const FilePlan& plan_;
  const ReadableFile& target_;
  const ReadableFile& donor_;
  StagedFile& output_;
  const ExecuteOptions& options_;
  const Progress& progress_;
  std::vector<CopiedSegment> copies_;
};

}  // namespace

std::vector<ByteRange> copied_ranges(const FilePlan& plan, Source source) {
  std::vector<ByteRange> ranges;
  for (const auto& segment : plan.segments) {
    const auto* copy = std::get_if<Copy>(&segment);
    if (copy != nullptr && copy->source == source) {
      ranges.push_back({copy->offset, copy->length});
    }
  }
  return ranges;
}

std::vector<ByteRange> copied_ranges(const Plan& plan, Source source) {
  std::vector<ByteRange> ranges;
  for (const auto& file : plan.files) {
    std::ranges::move(copied_ranges(file, source), std::back_inserter(ranges));
  }
  return ranges;
}

CopyRange plan_body(const FilePlan& plan) {
  CopyRange body{0, plan.data_offset, 0};
  std::uint64_t offset = 0;
  for (const auto& segment : plan.segments) {
    const auto* copy = std::get_if<Copy>(&segment);
    if (copy != nullptr && copy->source == Source::kTarget && offset == plan.data_offset) {
      body = {copy->offset, offset, copy->length};
    }
    offset += segment_length(segment);
  }
  return body;
}

Error clone_refusal(const std::string& target_path, const std::string& reason) {
  return {.code = ErrorCode::kIo,
          .message = "cannot clone the target's tensor data: " + reason,
          .path = target_path,
          .remedy = Remedy::kCopyAuto};
}

Result<std::vector<CopiedSegment>> execute_plan(const FilePlan& plan, const ReadableFile& target,
                                                const ReadableFile& donor, StagedFile& output,
                                                const ExecuteOptions& options, const Progress& progress) {
  return Executor(plan, target, donor, output, options, progress).run();
}

}  // namespace mtpgraft
