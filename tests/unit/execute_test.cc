#include "mtpgraft/execute.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <numeric>

#include "matchers.h"
#include "models.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

// Writes the plan and commits it as out.gguf.
Status write_graft(FileSystem& files, const std::string& path, const FilePlan& plan, const ReadableFile& target,
                   const ReadableFile& donor, const Progress& progress = keep_going,
                   const ExecuteOptions& options = {}) {
  MTPGRAFT_TRY(const auto staged, files.stage(path, plan.output_size));
  MTPGRAFT_CHECK(execute_plan(plan, target, donor, *staged, options, progress));
  MTPGRAFT_CHECK(staged->commit(Overwrite::kNo, Durability::kSync));
  return ok_status();
}

TEST(Execute, WritesTheSameBytesByEveryWay) {
  const TempDir folder;
  for (const std::string_view name : {kTarget, std::string_view("target-unpadded-end")}) {
    const auto target = load_model(name);
    const auto donor = load_model("donor-norms-f16");
    const auto plan = make_file_plan(target, donor);
    const auto expected = spell(plan, target, donor);

    MemoryFileSystem memory;
    ASSERT_THAT(write_graft(memory, "out.gguf", plan, *target.file, *donor.file), IsOk());
    EXPECT_TRUE(*memory.find("out.gguf") == expected);

    for (const auto method : {CopyMethod::kAuto, CopyMethod::kKernel, CopyMethod::kBuffered}) {
      const auto files = make_file_system();
      const auto target_file = files->open(model_path(name).string());
      const auto donor_file = files->open(model_path("donor-norms-f16").string());
      ASSERT_THAT(target_file, IsOk());
      ASSERT_THAT(donor_file, IsOk());
      const auto path = folder.path("out.gguf");
      ASSERT_THAT(write_graft(*files, path, plan, *target_file.value(), *donor_file.value(), keep_going, {method, {}}),
                  IsOk());
      EXPECT_TRUE(read_bytes(path) == expected);
      std::filesystem::remove(path);
    }
  }
}

// Knows segments, not GGUF.
TEST(Execute, FollowsAnySegments) {
  const auto bytes = [](std::string_view text) {
    const auto raw = std::as_bytes(std::span(text));
    return Bytes(raw.begin(), raw.end());
  };
  const MemoryFile target("target", bytes("0123456789"));
  const MemoryFile donor("donor", bytes("abcdefghij"));
  FilePlan plan;
  plan.segments = {Copy{Source::kDonor, 3, 4}, Zero{2}, Literal{bytes("XY")}, Copy{Source::kTarget, 0, 3}};
  plan.output_size = 11;
  MemoryFileSystem files;
  ASSERT_THAT(write_graft(files, "out", plan, target, donor), IsOk());
  EXPECT_EQ(*files.find("out"), bytes(std::string_view("defg\0\0XY012", 11)));
}

TEST(Execute, FailsIfAnInputChangesMeanwhile) {
  for (const bool target_changes : {true, false}) {
    const auto target = load_model("golden/tiny-qwen35-target");
    const auto donor = load_model("golden/tiny-qwen35-donor");
    const auto plan = make_file_plan(target, donor);
    (target_changes ? target : donor).file->pretend_change();
    MemoryFileSystem files;
    EXPECT_THAT(write_graft(files, "out.gguf", plan, *target.file, *donor.file),
                FailsWith(ErrorCode::kIo, "the file changed"));
    EXPECT_EQ(files.commit_count(), 0U);
  }
}

TEST(Execute, FailsIfAnInputIsShorterThanItWas) {
  const auto target = load_model("golden/tiny-qwen35-target");
  const auto donor = load_model("golden/tiny-qwen35-donor");
  const auto plan = make_file_plan(target, donor);
  auto bytes = target.bytes();
  bytes.resize(bytes.size() - 40);
  MemoryFileSystem files;
  EXPECT_THAT(write_graft(files, "out.gguf", plan, MemoryFile("short", bytes), *donor.file),
              FailsWith(ErrorCode::kIo, ""));
  EXPECT_EQ(files.find("out.gguf"), nullptr);
}

TEST(Execute, StopsWhenProgressSaysSo) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  const auto plan = make_file_plan(target, donor);
  const TempDir folder;
  for (int allowed = 0; allowed < 3; ++allowed) {
    int calls = 0;
    const auto progress = [&](std::uint64_t) { return calls++ < allowed; };
    MemoryFileSystem memory;
    EXPECT_THAT(write_graft(memory, "out.gguf", plan, *target.file, *donor.file, progress),
                FailsWith(ErrorCode::kInterrupted, "interrupted"));
    EXPECT_EQ(memory.commit_count(), 0U);
    EXPECT_EQ(calls, allowed + 1);

    calls = 0;
    const auto files = make_file_system();
    const auto target_file = files->open(model_path(kTarget).string());
    const auto donor_file = files->open(model_path(kDonor).string());
    EXPECT_THAT(write_graft(*files, folder.path("out.gguf"), plan, *target_file.value(), *donor_file.value(), progress),
                FailsWith(ErrorCode::kInterrupted, "interrupted"));
    EXPECT_TRUE(folder.is_empty());
  }
}

TEST(Execute, ReportsAllCopiedBytes) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  const auto plan = make_file_plan(target, donor);
  std::uint64_t copied = 0;
  for (const auto& segment : plan.segments) {
    copied += std::holds_alternative<Copy>(segment) ? segment_length(segment) : 0;
  }
  std::uint64_t told = 0;
  MemoryFileSystem files;
  const auto progress = [&](std::uint64_t bytes) {
    told += bytes;
    return true;
  };
  ASSERT_THAT(write_graft(files, "out.gguf", plan, *target.file, *donor.file, progress), IsOk());
  EXPECT_EQ(told, copied);
}

// In which each byte differs from that of the next blocks.
Bytes pattern(std::size_t size, unsigned seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(seed + i * 7 + i / 251 + i / 4096 * 13);
  }
  return bytes;
}

// An output whose file system shares blocks, and that counts how often each byte is written or cloned.
class CloningFile final : public StagedFile {
 public:
  explicit CloningFile(std::uint64_t size) : bytes_(size), writes_(size) {}

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    put(offset, bytes);
    return ok_status();
  }

  Result<std::optional<std::string>> clone_from(const ReadableFile& source, const CopyRange& range) override {
    EXPECT_EQ(range.offset % kCloneBlockBytes, 0U);
    EXPECT_EQ(range.source_offset % kCloneBlockBytes, 0U);
    EXPECT_EQ(range.length % kCloneBlockBytes, 0U);
    EXPECT_GT(range.length, 0U);  // which would mean: to the end of the source
    if (!obstacle_.empty()) {
      return std::optional<std::string>(obstacle_);
    }
    Bytes cloned(range.length);
    MTPGRAFT_CHECK(source.read_at(range.source_offset, cloned));
    put(range.offset, cloned);
    cloned_bytes_ += range.length;
    return std::optional<std::string>();
  }

  Status reserve(const ReadableFile& /*source*/, const CopyRange& range) override {
    EXPECT_EQ(count_written(range.offset, range.length), 0U);  // a clone needs no storage
    reserved_bytes_ += range.length;
    return ok_status();
  }

  Result<std::uint64_t> commit(Overwrite /*overwrite*/, Durability /*durability*/) override { return bytes_.size(); }

  void refuse_clones(std::string why) { obstacle_ = std::move(why); }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t cloned_bytes() const { return cloned_bytes_; }
  [[nodiscard]] std::uint64_t reserved_bytes() const { return reserved_bytes_; }
  // How many bytes of the range were written, each as often as it was.
  [[nodiscard]] std::uint64_t count_written(std::uint64_t offset, std::uint64_t length) const {
    const auto from = writes_.begin() + static_cast<std::ptrdiff_t>(offset);
    return std::accumulate(from, from + static_cast<std::ptrdiff_t>(length), std::uint64_t{0});
  }
  [[nodiscard]] int most_writes() const { return *std::ranges::max_element(writes_); }

 private:
  void put(std::uint64_t offset, std::span<const std::byte> bytes) {
    ASSERT_LE(offset + bytes.size(), bytes_.size());
    std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      ++writes_[offset + i];
    }
  }

  Bytes bytes_;
  std::vector<int> writes_;
  std::string obstacle_;
  std::uint64_t cloned_bytes_ = 0;
  std::uint64_t reserved_bytes_ = 0;
};

void expect_counts_add_up(const std::vector<CopiedSegment>& copies, const FilePlan& plan) {
  std::vector<std::uint64_t> lengths;
  for (const auto& segment : plan.segments) {
    if (std::holds_alternative<Copy>(segment)) {
      lengths.push_back(segment_length(segment));
    }
  }
  ASSERT_EQ(copies.size(), lengths.size());
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const auto& counts = copies[i].copied;
    EXPECT_EQ(copies[i].range.length, lengths[i]);
    EXPECT_EQ(copies[i].cloned_bytes + counts.in_kernel + counts.buffered + counts.holes + counts.kept, lengths[i])
        << i;
  }
}

TEST(ExecuteCloning, WritesTheSameBytesEachOnce) {
  for (const std::string_view name : {kTarget, std::string_view("target-align-4096"), std::string_view("target-v2")}) {
    SCOPED_TRACE(name);
    const auto target = load_model(name);
    const auto donor = load_model("donor-norms-f16");
    const auto plan = make_file_plan(target, donor);
    CloningFile output(plan.output_size);
    const auto copies = execute_plan(plan, *target.file, *donor.file, output, {}, keep_going);
    ASSERT_THAT(copies, IsOk());
    EXPECT_TRUE(output.bytes() == spell(plan, target, donor));
    EXPECT_EQ(output.most_writes(), 1);
    expect_counts_add_up(copies.value(), plan);

    std::uint64_t offset = 0;
    for (const auto& segment : plan.segments) {
      const auto length = segment_length(segment);
      EXPECT_EQ(output.count_written(offset, length), std::holds_alternative<Zero>(segment) ? 0 : length);
      offset += length;
    }
    std::uint64_t cloned = 0;
    std::uint64_t copied = 0;
    for (const auto& copy : copies.value()) {
      EXPECT_TRUE(copy.cloned_bytes == 0 || copy.clone_obstacle.empty());
      cloned += copy.cloned_bytes;
      copied += copy.range.length - copy.cloned_bytes;
    }
    EXPECT_EQ(output.cloned_bytes(), cloned);
    EXPECT_EQ(output.reserved_bytes(), copied);
    EXPECT_GT(cloned + 2 * kCloneBlockBytes, plan_body(plan).length);
  }
}

TEST(ExecuteCloning, IsNotTriedForOtherMethods) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  const auto plan = make_file_plan(target, donor);
  for (const auto method : {CopyMethod::kKernel, CopyMethod::kBuffered}) {
    CloningFile output(plan.output_size);
    const auto copies = execute_plan(plan, *target.file, *donor.file, output, {method, {}}, keep_going);
    ASSERT_THAT(copies, IsOk());
    EXPECT_EQ(output.cloned_bytes(), 0U);
    EXPECT_EQ(output.most_writes(), 1);
    EXPECT_TRUE(output.bytes() == spell(plan, target, donor));
    expect_counts_add_up(copies.value(), plan);
  }
}

TEST(ExecuteCloning, CopiesWhatCannotBeClonedAndTellsWhy) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  const auto plan = make_file_plan(target, donor);
  CloningFile output(plan.output_size);
  output.refuse_clones("of the weather");
  const auto copies = execute_plan(plan, *target.file, *donor.file, output, {}, keep_going);
  ASSERT_THAT(copies, IsOk());
  EXPECT_TRUE(output.bytes() == spell(plan, target, donor));
  expect_counts_add_up(copies.value(), plan);
  const auto body =
      std::ranges::find(copies.value(), plan.data_offset, [](const CopiedSegment& copy) { return copy.range.offset; });
  ASSERT_NE(body, copies.value().end());
  EXPECT_EQ(body->clone_obstacle, "of the weather");
  EXPECT_EQ(body->cloned_bytes, 0U);
}

TEST(ExecuteCloning, FailsWhereTheBodyMustBeClonedAndCannot) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  const auto plan = make_file_plan(target, donor);
  const ExecuteOptions must_clone{CopyMethod::kClone, {}};

  MemoryFileSystem memory;
  EXPECT_THAT(write_graft(memory, "out.gguf", plan, *target.file, *donor.file, keep_going, must_clone),
              FailsWith(ErrorCode::kIo, "files of this kind cannot share blocks"));
  EXPECT_EQ(memory.write_count(), 0U);
  EXPECT_EQ(memory.commit_count(), 0U);

  // Files in memory cannot be cloned to a disk either.
  const TempDir folder;
  EXPECT_THAT(write_graft(*make_file_system(), folder.path("out.gguf"), plan, *target.file, *donor.file, keep_going,
                          must_clone),
              FailsWith(ErrorCode::kIo, "cannot clone the target's tensor data"));
  EXPECT_TRUE(folder.is_empty());
}

TEST(ExecuteCloning, OnADiskEitherClonesTheBodyOrLeavesNothing) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  const auto plan = make_file_plan(target, donor);
  const TempDir folder;
  const auto path = folder.path("out.gguf");
  const auto files = make_file_system();
  const auto target_path = folder.path("target.gguf");
  std::filesystem::copy_file(model_path(kTarget), target_path);
  const auto target_file = files->open(target_path);
  const auto donor_file = files->open(model_path(kDonor).string());
  const auto status =
      write_graft(*files, path, plan, *target_file.value(), *donor_file.value(), keep_going, {CopyMethod::kClone, {}});
  if (status.ok()) {
    EXPECT_TRUE(read_bytes(path) == spell(plan, target, donor));
  } else {
    EXPECT_THAT(status, FailsWith(ErrorCode::kIo, "cannot clone the target's tensor data"));
    EXPECT_EQ(status.error().path, target_path);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.root()), {}), 1);
  }
}

// A body that is not at the place where blocks could be shared, or too short to be worth it.
TEST(ExecuteCloning, TellsWhyABodyDoesNotFit) {
  const MemoryFile target("target", pattern(200'000, 1));
  const MemoryFile donor("donor", pattern(100, 2));
  FilePlan plan;
  plan.data_offset = 100;
  for (const auto& [source_offset, length, reason] :
       {std::tuple{200U, 150'000U, "begins 100 bytes into a block of 4096, and 200"},
        std::tuple{100U, 5'000U, "too short"}}) {
    plan.segments = {Zero{100}, Copy{Source::kTarget, source_offset, length}};
    plan.output_size = 100U + length;
    CloningFile output(plan.output_size);
    EXPECT_THAT(execute_plan(plan, target, donor, output, {CopyMethod::kClone, {}}, keep_going),
                FailsWith(ErrorCode::kIo, reason));
    EXPECT_EQ(output.most_writes(), 0);
  }
}

// Literals, zeros, and copies of a sparse target, whose holes are in the middle and at the end, and of a donor.
struct SparseCase {
  SparseCase() {
    const auto target_path = folder.path("target");
    const auto data = pattern(150'000, 5);
    std::ofstream target_stream(target_path, std::ios::binary);
    target_stream << "start";
    target_stream.seekp(300'001);
    target_stream.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
    target_stream.close();
    std::filesystem::resize_file(target_path, 900'000);
    const auto donor_bytes = pattern(70'000, 9);
    std::ofstream donor_stream(folder.path("donor"), std::ios::binary);
    donor_stream.write(reinterpret_cast<const char*>(donor_bytes.data()),
                       static_cast<std::streamsize>(donor_bytes.size()));
    donor_stream.close();
    target = std::move(files->open(target_path)).value();
    donor = std::move(files->open(folder.path("donor"))).value();
    plan.segments = {Literal{pattern(1'000, 3)},
                     Zero{200'000},
                     Copy{Source::kTarget, 2, 890'000},
                     Copy{Source::kDonor, 1, 69'999},
                     Zero{1},
                     Literal{pattern(1, 4)},
                     Copy{Source::kTarget, 300'000, 600'000},
                     Zero{70'000}};
    for (const auto& segment : plan.segments) {
      const auto length = static_cast<std::ptrdiff_t>(segment_length(segment));
      if (const auto* literal = std::get_if<Literal>(&segment)) {
        expected.insert(expected.end(), literal->bytes.begin(), literal->bytes.end());
      } else if (const auto* copy = std::get_if<Copy>(&segment)) {
        const auto bytes = read_bytes(folder.path(copy->source == Source::kTarget ? "target" : "donor"));
        const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(copy->offset);
        expected.insert(expected.end(), from, from + length);
      } else {
        expected.resize(expected.size() + static_cast<std::size_t>(length));
      }
    }
    plan.output_size = expected.size();
  }

  TempDir folder;
  std::unique_ptr<FileSystem> files = make_file_system();
  std::unique_ptr<ReadableFile> target;
  std::unique_ptr<ReadableFile> donor;
  FilePlan plan;
  Bytes expected;
};

ByteSink append_to(Bytes& seen) {
  return [&seen](std::span<const std::byte> bytes) { seen.insert(seen.end(), bytes.begin(), bytes.end()); };
}

TEST(ExecuteObserve, SeesEveryByteInOrder) {
  const SparseCase sparse;
  for (const auto method : {CopyMethod::kAuto, CopyMethod::kBuffered, CopyMethod::kKernel}) {
    SCOPED_TRACE(static_cast<int>(method));
    Bytes seen;
    const auto path = sparse.folder.path("out");
    const auto staged = sparse.files->stage(path, sparse.plan.output_size);
    ASSERT_THAT(staged, IsOk());
    const auto copies = execute_plan(sparse.plan, *sparse.target, *sparse.donor, *staged.value(),
                                     {method, append_to(seen)}, keep_going);
    ASSERT_THAT(copies, IsOk());
    ASSERT_THAT(staged.value()->commit(Overwrite::kYes, Durability::kNoSync), IsOk());
    EXPECT_TRUE(seen == sparse.expected);
    EXPECT_TRUE(read_bytes(path) == sparse.expected);
    expect_counts_add_up(copies.value(), sparse.plan);
  }
}

TEST(ExecuteObserve, SeesWhatIsClonedToo) {
  const auto target = load_model(kTarget);
  const auto donor = load_model("donor-norms-f16");
  const auto plan = make_file_plan(target, donor);
  Bytes seen;
  CloningFile output(plan.output_size);
  ASSERT_THAT(execute_plan(plan, *target.file, *donor.file, output, {CopyMethod::kAuto, append_to(seen)}, keep_going),
              IsOk());
  EXPECT_GT(output.cloned_bytes(), 0U);
  EXPECT_TRUE(seen == output.bytes());
  EXPECT_TRUE(seen == spell(plan, target, donor));
}

TEST(ExecuteObserve, SeesWhatIsWrittenToFilesOfOtherKinds) {
  const SparseCase sparse;
  MemoryFileSystem memory;
  Bytes seen;
  ASSERT_THAT(write_graft(memory, "out", sparse.plan, *sparse.target, *sparse.donor, keep_going,
                          {CopyMethod::kAuto, append_to(seen)}),
              IsOk());
  EXPECT_TRUE(seen == sparse.expected);
  EXPECT_TRUE(*memory.find("out") == sparse.expected);
}

TEST(Execute, CountsEachCopiedByteOnce) {
  const SparseCase sparse;
  for (const auto method : {CopyMethod::kAuto, CopyMethod::kBuffered, CopyMethod::kKernel}) {
    const auto staged = sparse.files->stage(sparse.folder.path("out"), sparse.plan.output_size);
    ASSERT_THAT(staged, IsOk());
    const auto copies =
        execute_plan(sparse.plan, *sparse.target, *sparse.donor, *staged.value(), {method, {}}, keep_going);
    ASSERT_THAT(copies, IsOk());
    expect_counts_add_up(copies.value(), sparse.plan);
    if (method == CopyMethod::kBuffered) {
      EXPECT_EQ(copies.value()[1].copied.buffered, 69'999U);
    }
  }
}

TEST(PlanBody, IsTheTargetsDataWhereTheOutputsDataBegin) {
  const auto target = load_model(kTarget);
  const auto plan = make_file_plan(target, load_model(kDonor));
  const auto body = plan_body(plan);
  EXPECT_EQ(body.offset, plan.data_offset);
  EXPECT_EQ(body.source_offset, target.gguf.data_offset);
  EXPECT_EQ(body.length, target.gguf.size - target.gguf.data_offset);
  FilePlan other;
  other.data_offset = 10;
  other.segments = {Copy{Source::kTarget, 0, 10}, Copy{Source::kDonor, 0, 10}};
  EXPECT_EQ(plan_body(other).length, 0U);
}

TEST(ClonablePart, IsWholeBlocksAtTheSamePlaceInBoth) {
  struct Case {
    const char* what;
    CopyRange range;
    CopyRange part;
  };
  const std::vector<Case> cases{
      {"aligned", {8192, 0, 12288}, {8192, 0, 12288}},
      {"same place in a block, ragged at both ends", {100, 4196, 20'000}, {4096, 8192, 12'288}},
      {"aligned, ends ragged", {0, 4096, 8191}, {0, 4096, 4096}},
      {"ends with a block", {4000, 8096, 96 + 4096}, {4096, 8192, 4096}},
      {"another place", {100, 101, 100'000}, {100'100, 100'101, 0}},
      {"aligned in one only", {0, 32, 100'000}, {100'000, 100'032, 0}},
  };
  for (const auto& [what, range, part] : cases) {
    const auto found = clonable_part(range);
    EXPECT_EQ(found.source_offset, part.source_offset) << what;
    EXPECT_EQ(found.offset, part.offset) << what;
    EXPECT_EQ(found.length, part.length) << what;
  }
  for (const CopyRange& range : {CopyRange{0, 0, 0}, CopyRange{0, 0, 4095}, CopyRange{1, 4097, 4095 + 4095},
                                 CopyRange{4095, 4095, 1}, CopyRange{4095, 4095, 4096}, CopyRange{7, 7, 0}}) {
    EXPECT_EQ(clonable_part(range).length, 0U) << range.offset;
  }
}

TEST(ClonablePart, OfAnyRangeIsInsideAndLosesLessThanTwoBlocks) {
  for (const std::uint64_t from : {0U, 1U, 31U, 4095U, 4096U, 5000U, 70'000U}) {
    for (std::uint64_t offset = 0; offset < 3 * kCloneBlockBytes; offset += 509) {
      for (const bool same_phase : {true, false}) {
        for (std::uint64_t length = 0; length < 5 * kCloneBlockBytes; length += 777) {
          const CopyRange range{from + offset + (same_phase ? 0 : 1), from % kCloneBlockBytes + offset, length};
          const auto part = clonable_part(range);
          ASSERT_GE(part.offset, range.offset);
          ASSERT_LE(part.offset + part.length, range.offset + range.length);
          ASSERT_EQ(part.offset - range.offset, part.source_offset - range.source_offset);
          if (part.length > 0) {
            ASSERT_TRUE(same_phase);
            ASSERT_EQ(part.offset % kCloneBlockBytes, 0U);
            ASSERT_EQ(part.source_offset % kCloneBlockBytes, 0U);
            ASSERT_EQ(part.length % kCloneBlockBytes, 0U);
          }
          if (same_phase) {
            ASSERT_LT(range.length - part.length, 2 * kCloneBlockBytes);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace mtpgraft
