#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

#include "io/stream.h"
#include "util/parallel.h"
#include "verify/difference.h"

namespace mtpgraft {
namespace {

constexpr std::uint64_t kChunkBytes = std::uint64_t{1} << 20;

std::string describe_region(const Region& region) {
  switch (region.kind) {
    case Region::Kind::kCounts:
      return "the header's magic, version and counts differ";
    case Region::Kind::kHeader:
      return "the header differs";
    case Region::Kind::kKey:
      return fmt::format("key '{}' differs", region.name);
    case Region::Kind::kTensorInfo:
      return fmt::format("the info of tensor '{}' differs", region.name);
    case Region::Kind::kTensorData:
      return fmt::format("the data of tensor '{}' differ", region.name);
    case Region::Kind::kPadding:
      return region.name.empty() ? "the padding before the tensor data differs"
                                 : fmt::format("the padding after tensor '{}' differs", region.name);
  }
  return "";
}

Difference::Of kind_of(const Region& region) {
  switch (region.kind) {
    case Region::Kind::kKey:
      return Difference::Of::kKey;
    case Region::Kind::kTensorInfo:
    case Region::Kind::kTensorData:
      return Difference::Of::kTensor;
    case Region::Kind::kCounts:
    case Region::Kind::kHeader:
    case Region::Kind::kPadding:
      break;
  }
  return Difference::Of::kBytes;
}

// A part of one segment, small enough for a buffer.
struct Chunk {
  const Segment* segment;
  std::uint64_t segment_offset;
  std::uint64_t offset;  // in the output
  std::uint64_t length;
};

// The parts of a range that are in none of `parts`, which are ordered.
std::vector<ByteRange> without(std::uint64_t length, const std::vector<ByteRange>& parts) {
  std::vector<ByteRange> rest;
  std::uint64_t at = 0;
  for (const auto& part : parts) {
    rest.push_back({at, part.offset - at});
    at = part.offset + part.length;
  }
  rest.push_back({at, length - at});
  return rest;
}

// The parts of a copy, which stands at `offset` of `file`, that lie in the source's own blocks on disk.
std::vector<ByteRange> find_shared(const ReadableFile& file, const ReadableFile& source, const Copy& copy,
                                   std::uint64_t offset) {
  std::vector<ByteRange> shared;
  std::uint64_t at = 0;
  for (const auto& [piece_file, range] : source.pieces({copy.offset, copy.length})) {
    for (const auto& part : file.shared_parts(*piece_file, {range.offset, offset + at, range.length})) {
      shared.push_back({at + part.offset, part.length});
    }
    at += range.length;
  }
  return shared;
}

class Chunks {
 public:
  explicit Chunks(std::uint64_t file_size) : file_size_(file_size) {}

  // The range of the segment that stands at `offset` of the output, as far as the file has it.
  void add(const Segment& segment, std::uint64_t segment_offset, std::uint64_t offset, std::uint64_t length) {
    for (std::uint64_t done = 0; done < length && offset + done < file_size_; done += kChunkBytes) {
      chunks_.push_back({&segment, segment_offset + done, offset + done,
                         std::min({kChunkBytes, length - done, file_size_ - offset - done})});
    }
  }
  [[nodiscard]] const std::vector<Chunk>& all() const { return chunks_; }

 private:
  std::uint64_t file_size_;
  std::vector<Chunk> chunks_;
};

class Differences {
 public:
  explicit Differences(const FilePlan& plan) : plan_(plan) {}

  // Both spans stand at `offset` of the output and have the same length.
  void compare(std::uint64_t offset, std::span<const std::byte> expected, std::span<const std::byte> actual) {
    if (std::memcmp(expected.data(), actual.data(), expected.size()) == 0) {
      return;
    }
    const auto first = std::ranges::upper_bound(plan_.regions, offset, {}, &Region::offset) - 1;
    for (auto region = first; region != plan_.regions.end() && region->offset < offset + expected.size(); ++region) {
      const auto from = static_cast<std::size_t>(std::max(region->offset, offset) - offset);
      const auto to = static_cast<std::size_t>(std::min(region->offset + region->length - offset, expected.size()));
      Found found;
      for (auto i = from; i < to; ++i) {
        if (expected[i] != actual[i]) {
          found.first_offset = std::min(found.first_offset, offset + i);
          ++found.bytes;
        }
      }
      if (found.bytes > 0) {
        const std::lock_guard lock(mutex_);
        auto& total = by_region_[static_cast<std::size_t>(region - plan_.regions.begin())];
        total.first_offset = std::min(total.first_offset, found.first_offset);
        total.bytes += found.bytes;
      }
    }
  }

  [[nodiscard]] std::vector<Difference> all() const {
    std::vector<Difference> all;
    for (const auto& [index, found] : by_region_) {
      const auto& region = plan_.regions[index];
      all.push_back({kind_of(region),
                     std::string(region.name),
                     {fmt::format("{}: {} of {} bytes", describe_region(region), found.bytes, region.length),
                      found.first_offset}});
    }
    return all;
  }

 private:
  struct Found {
    std::uint64_t first_offset = UINT64_MAX;
    std::uint64_t bytes = 0;
  };

  const FilePlan& plan_;
  std::mutex mutex_;
  std::map<std::size_t, Found> by_region_;
};

}  // namespace

Result<Comparison> compare_bytes(const ReadableFile& file, const FilePlan& plan, const ReadableFile& target,
                                 const ReadableFile& donor, SharedExtents shared, const Progress& progress) {
  Comparison result;
  Differences differences(plan);
  Chunks all_chunks(file.size());
  std::uint64_t offset = 0;
  for (const auto& segment : plan.segments) {
    const auto length = segment_length(segment);
    std::vector<ByteRange> shared_parts;
    const auto* copy = std::get_if<Copy>(&segment);
    if (copy != nullptr && shared == SharedExtents::kTrust && offset + length <= file.size()) {
      shared_parts = find_shared(file, copy->source == Source::kTarget ? target : donor, *copy, offset);
    }
    for (const auto& part : shared_parts) {
      result.shared_bytes += part.length;
    }
    for (const auto& part : without(length, shared_parts)) {
      all_chunks.add(segment, part.offset, offset + part.offset, part.length);
    }
    offset += length;
  }
  const auto& chunks = all_chunks.all();
  struct Buffers {
    std::vector<std::byte> expected;
    std::vector<std::byte> actual;
  };
  std::vector<Buffers> buffers(worker_count());
  std::mutex progress_mutex;
  const auto compare_chunk = [&](std::size_t index, std::size_t worker) -> Status {
    const auto& chunk = chunks[index];
    auto& own = buffers[worker];
    own.actual.resize(chunk.length);
    MTPGRAFT_CHECK(file.read_at(chunk.offset, own.actual));
    if (const auto* literal = std::get_if<Literal>(chunk.segment)) {
      differences.compare(chunk.offset, std::span(literal->bytes).subspan(chunk.segment_offset, chunk.length),
                          own.actual);
    } else if (const auto* copy = std::get_if<Copy>(chunk.segment)) {
      own.expected.resize(chunk.length);
      const auto& source = copy->source == Source::kTarget ? target : donor;
      MTPGRAFT_CHECK(source.read_at(copy->offset + chunk.segment_offset, own.expected));
      differences.compare(chunk.offset, own.expected, own.actual);
    } else {
      own.expected.assign(chunk.length, std::byte{0});
      differences.compare(chunk.offset, own.expected, own.actual);
    }
    const std::lock_guard lock(progress_mutex);
    return report_progress(progress, chunk.length);
  };
  MTPGRAFT_CHECK(parallel_for(chunks.size(), compare_chunk));
  result.differences = differences.all();
  result.compared_bytes = std::min(file.size(), plan.output_size) - result.shared_bytes;
  if (file.size() != plan.output_size) {
    result.differences.insert(
        result.differences.begin(),
        {Difference::Of::kBytes,
         "",
         {fmt::format("the file has {} bytes, the graft {}", file.size(), plan.output_size), {}}});
  }
  return result;
}

Result<VerifyReport> compare_with_plan(const ReadableFile& file, const FilePlan& plan, const ReadableFile& target,
                                       const ReadableFile& donor, SharedExtents shared, const Progress& progress) {
  MTPGRAFT_TRY(auto comparison, compare_bytes(file, plan, target, donor, shared, progress));
  VerifyReport report;
  for (auto& difference : comparison.differences) {
    report.findings.push_back(std::move(difference.finding));
  }
  report.compared_bytes = comparison.compared_bytes;
  report.shared_bytes = comparison.shared_bytes;
  return report;
}

}  // namespace mtpgraft
