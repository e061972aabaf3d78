// Comparing a file with the plan of a graft, and with the plan made again from target and donor.
#include <fmt/core.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "gguf/serialize.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/verify.h"

namespace mtpgraft {
namespace {

struct ComparedCase {
  Model target;
  Model donor;
  FilePlan plan;
  Bytes graft;
};

ComparedCase make_case(std::string_view target_name, std::string_view donor_name) {
  ComparedCase result{load_model(target_name), load_model(donor_name), {}, {}};
  result.plan = make_file_plan(result.target, result.donor);
  result.graft = spell(result.plan, result.target, result.donor);
  return result;
}

const ComparedCase& tiny() {
  static const ComparedCase result = make_case("golden/tiny-qwen35-target", "golden/tiny-qwen35-donor");
  return result;
}

const ComparedCase& real() {
  static const ComparedCase result = make_case(kTarget, "donor-norms-bf16");
  return result;
}

VerifyReport compare(const ComparedCase& graft, Bytes bytes) {
  const auto report = compare_with_plan(MemoryFile("x.gguf", std::move(bytes)), graft.plan, *graft.target.file,
                                        *graft.donor.file, SharedExtents::kRead, keep_going);
  EXPECT_THAT(report, IsOk());
  return report.value();
}

// What the program calls the files; the record knows better.
const RecordLabels kFallback{"mtpgraft 9.9.9", "fallback-target.gguf", "fallback-donor.gguf"};

VerifyReport verify(const ComparedCase& graft, Bytes bytes, const RecordLabels& fallback = kFallback) {
  const auto report = verify_graft({std::make_shared<MemoryFile>("x.gguf", std::move(bytes))}, opened(graft.target),
                                   opened(graft.donor), fallback, SharedExtents::kRead, keep_going);
  EXPECT_THAT(report, IsOk());
  return report.value();
}

RecordLabels labels_of(const ComparedCase& graft) {
  return {"mtpgraft 0.1.0", graft.target.file->path(), graft.donor.file->path()};
}

Bytes flip(Bytes bytes, std::uint64_t offset, std::byte mask = std::byte{0x10}) {
  bytes[offset] ^= mask;
  return bytes;
}

std::string name_in_finding(const Region& region) {
  switch (region.kind) {
    case Region::Kind::kCounts:
      return "counts";
    case Region::Kind::kHeader:
      return "header";
    case Region::Kind::kKey:
      return fmt::format("key '{}'", region.name);
    case Region::Kind::kTensorInfo:
      return fmt::format("info of tensor '{}'", region.name);
    case Region::Kind::kTensorData:
      return fmt::format("data of tensor '{}'", region.name);
    case Region::Kind::kPadding:
      return region.name.empty() ? "padding before the tensor data"
                                 : fmt::format("padding after tensor '{}'", region.name);
  }
  return "";
}

void expect_one_finding(const VerifyReport& report, const Region& region, std::uint64_t offset) {
  ASSERT_EQ(report.findings.size(), 1U) << offset;
  EXPECT_EQ(report.findings[0].offset, offset);
  EXPECT_THAT(report.findings[0].message, testing::HasSubstr(name_in_finding(region)));
  EXPECT_THAT(report.findings[0].message, testing::HasSubstr(fmt::format(": 1 of {} bytes", region.length)));
}

TEST(Compare, FindsNothingInAGraft) {
  for (const auto* graft : {&tiny(), &real()}) {
    const auto report = compare(*graft, graft->graft);
    EXPECT_TRUE(report.ok());
    EXPECT_EQ(report.compared_bytes, graft->graft.size());
  }
}

TEST(Compare, FindsAFlippedByteAtEveryBorder) {
  const auto& graft = tiny();
  ASSERT_GT(graft.plan.regions.size(), 100U);
  for (const auto& region : graft.plan.regions) {
    for (const auto offset : {region.offset, region.offset + region.length - 1}) {
      expect_one_finding(compare(graft, flip(graft.graft, offset)), region, offset);
    }
  }
}

TEST(Compare, FindsAFlippedByteAnywhere) {
  const auto& graft = real();
  for (std::uint64_t offset = 0; offset < graft.graft.size(); offset += 400'009) {
    const auto after = std::ranges::upper_bound(graft.plan.regions, offset, {}, &Region::offset);
    expect_one_finding(compare(graft, flip(graft.graft, offset, std::byte{1})), *(after - 1), offset);
  }
}

TEST(Compare, TellsAllDifferencesInTheOrderOfTheFile) {
  const auto& graft = real();
  auto bytes = graft.graft;
  for (std::uint64_t offset = bytes.size() - 1; offset > 100'000; offset -= 100'000) {
    bytes = flip(std::move(bytes), offset);
  }
  const auto report = compare(graft, bytes);
  EXPECT_GT(report.findings.size(), 20U);
  EXPECT_TRUE(std::ranges::is_sorted(report.findings, {}, &Finding::offset));
}

TEST(Compare, CountsTheBytesThatDiffer) {
  const auto& graft = tiny();
  const auto region = std::ranges::find(graft.plan.regions, Region::Kind::kTensorData, &Region::kind);
  const auto report = compare(graft, flip(flip(graft.graft, region->offset + 3), region->offset + 5));
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].offset, region->offset + 3);
  EXPECT_THAT(report.findings[0].message, testing::HasSubstr(": 2 of "));
}

TEST(Compare, FindsAnotherSize) {
  const auto& graft = tiny();
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, graft.graft.size() - 1, graft.graft.size() + 1}) {
    auto bytes = graft.graft;
    bytes.resize(size);
    const auto report = compare(graft, bytes);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_THAT(report.findings[0].message, testing::HasSubstr(fmt::format("the file has {} bytes", size)));
    EXPECT_EQ(report.compared_bytes, std::min(size, graft.graft.size()));
  }
}

// Files are compared in pieces of 1 MiB: neither a byte at their ends nor one too few or too many gets lost.
TEST(Compare, FindsAFlippedByteAtTheBordersOfItsPieces) {
  constexpr std::size_t kMebibyte = std::size_t{1} << 20;
  Bytes source(2 * kMebibyte + 2);
  for (std::size_t i = 0; i < source.size(); ++i) {
    source[i] = static_cast<std::byte>(i * 7 + i / 251);
  }
  const MemoryFile file("source.gguf", source);
  for (const std::size_t length :
       {std::size_t{1}, kMebibyte - 1, kMebibyte, kMebibyte + 1, 2 * kMebibyte - 1, 2 * kMebibyte, 2 * kMebibyte + 1}) {
    FilePlan plan;
    plan.segments = {Copy{Source::kDonor, 1, length}};
    plan.regions = {{Region::Kind::kTensorData, "x", 0, length}};
    plan.output_size = length;
    const auto report_of = [&](const Bytes& bytes) {
      return compare_with_plan(MemoryFile("x.gguf", bytes), plan, MemoryFile("target.gguf", {}), file,
                               SharedExtents::kRead, keep_going)
          .value();
    };
    const Bytes whole(source.begin() + 1, source.begin() + 1 + static_cast<std::ptrdiff_t>(length));
    EXPECT_TRUE(report_of(whole).ok()) << length;
    EXPECT_EQ(report_of(whole).compared_bytes, length);
    for (const std::size_t at : {std::size_t{0}, kMebibyte - 1, kMebibyte, 2 * kMebibyte - 1, 2 * kMebibyte}) {
      if (at < length) {
        const auto report = report_of(flip(whole, at));
        ASSERT_EQ(report.findings.size(), 1U) << at << " of " << length;
        EXPECT_EQ(report.findings[0].offset, at);
        EXPECT_THAT(report.findings[0].message, testing::HasSubstr(fmt::format(": 1 of {} bytes", length)));
      }
    }
    // As far as a shorter file goes, it is compared.
    auto shorter = flip(whole, 0);
    shorter.pop_back();
    EXPECT_EQ(report_of(shorter).findings.size(), length == 1 ? 1U : 2U) << length;
  }
}

TEST(Compare, StopsWhenProgressSaysSo) {
  const auto& graft = real();
  EXPECT_THAT(compare_with_plan(MemoryFile("x.gguf", graft.graft), graft.plan, *graft.target.file, *graft.donor.file,
                                SharedExtents::kRead, [](std::uint64_t) { return false; }),
              FailsWith(ErrorCode::kInterrupted, ""));
}

TEST(VerifyGraft, AcceptsAGraftUnderAnyName) {
  // The labels come from the record, not from what the files are called now.
  EXPECT_TRUE(verify(tiny(), tiny().graft).ok());
  EXPECT_TRUE(verify(real(), real().graft).ok());
}

TEST(VerifyGraft, AcceptsAGraftWithoutRecord) {
  const auto& graft = tiny();
  const auto plan = make_file_plan(graft.target, graft.donor, without_record());
  EXPECT_TRUE(verify(graft, spell(plan, graft.target, graft.donor)).ok());
}

TEST(VerifyGraft, AcceptsAReplacedHead) {
  const auto donor = load_model(kDonor);
  const auto first = graft_model(load_model(kTarget), load_model("mtp-base-8L-Q8_0"));
  const auto second = graft_model(first, donor, graft_options(first, donor, true));
  const auto report =
      verify_graft({share(*second.file)}, opened(first), opened(donor), kFallback, SharedExtents::kRead, keep_going);
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report.value().ok());
}

// The record of a file is no proof of what is in the file.
TEST(VerifyGraft, DoesNotAllowWhatOnlyTheRecordTells) {
  const auto target = load_model("golden/tiny-qwen35-target");
  const auto donor = load_model("golden/tiny-qwen35-donor");
  auto options = graft_options(target, donor);
  options.edits = {{"general.name", string_value("Poison")}, {"new.key", u32_value(1)}, {"general.type", std::nullopt}};
  const auto graft = graft_model(target, donor, options);
  auto report =
      verify_graft({share(*graft.file)}, opened(target), opened(donor), kFallback, SharedExtents::kRead, keep_going);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report.value().findings, testing::IsEmpty());
  EXPECT_FALSE(report.value().ok());
  EXPECT_EQ(report.value().edits.size(), 3U);
  report.value().edits_allowed = true;
  EXPECT_TRUE(report.value().ok());
  const auto tensors = verify_tensors({share(*graft.file)}, opened(target), opened(donor), keep_going);
  ASSERT_THAT(tensors, IsOk());
  EXPECT_TRUE(tensors.value().ok());
}

TEST(VerifyGraft, RefusesTheGraftOfAnotherDonor) {
  const auto donor = load_model("mtp-base-8L-Q8_0");
  const auto& graft = real();
  const auto report = verify_graft({std::make_shared<MemoryFile>("x.gguf", graft.graft)}, opened(graft.target),
                                   opened(donor), kFallback, SharedExtents::kRead, keep_going);
  ASSERT_THAT(report, IsOk());
  EXPECT_FALSE(report.value().ok());
}

// Also where the flip makes the file unreadable, or its record: the finding names the place.
TEST(VerifyGraft, FindsAFlippedByteAtEveryBorder) {
  const auto& graft = tiny();
  for (const auto& region : graft.plan.regions) {
    for (const auto offset : {region.offset, region.offset + region.length - 1}) {
      SCOPED_TRACE(fmt::format("{} at {}", name_in_finding(region), offset));
      const auto report = verify(graft, flip(graft.graft, offset), labels_of(graft));
      ASSERT_FALSE(report.ok());
      EXPECT_LE(report.findings.size(), 2U);
      const auto found = std::ranges::find(report.findings, offset, &Finding::offset);
      ASSERT_TRUE(std::ranges::any_of(report.findings, [&](const Finding& finding) {
        return finding.offset == offset && finding.message.find(name_in_finding(region)) != std::string::npos;
      })) << (found == report.findings.end() ? report.findings[0].message : found->message);
    }
  }
}

TEST(VerifyGraft, OrdersFindingsByOffset) {
  // The tensor count: it makes the file unreadable, and the reader notices that much later.
  const auto report = verify(tiny(), flip(tiny().graft, 8, std::byte{1}), labels_of(tiny()));
  ASSERT_EQ(report.findings.size(), 2U);
  EXPECT_TRUE(std::ranges::is_sorted(report.findings, {}, &Finding::offset));
}

TEST(VerifyGraft, SaysWhatATruncatedFileLacksAndNoMore) {
  const auto& graft = tiny();
  for (const std::size_t missing : {1U, 100U, 300U}) {
    auto bytes = graft.graft;
    bytes.resize(bytes.size() - missing);
    const auto report = verify(graft, std::move(bytes), labels_of(graft));
    ASSERT_FALSE(report.ok());
    // That it is no sound GGUF, and that it is too short.
    EXPECT_LE(report.findings.size(), 2U) << missing;
    EXPECT_THAT(report.findings[0].message, testing::HasSubstr("the file has "));
  }
}

TEST(VerifyGraft, FindsAppendedBytes) {
  const auto& graft = tiny();
  auto bytes = graft.graft;
  bytes.resize(bytes.size() + 100);
  const auto report = verify(graft, std::move(bytes));
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_THAT(report.findings[0].message, testing::HasSubstr("the file has 9092 bytes, the graft 8992"));
}

// A file that is no GGUF at all is a wrong graft, not an error.
TEST(VerifyGraft, TakesAFileThatIsNoGgufAsDifferent) {
  const auto report = verify(tiny(), Bytes(100, std::byte{'x'}));
  ASSERT_GE(report.findings.size(), 2U);
  EXPECT_THAT(report.findings[1].message, testing::HasSubstr("not a GGUF file"));
}

TEST(VerifyGraft, FailsIfTheSourcesDoNotFit) {
  const auto donor = load_model("donor-ffn");
  EXPECT_THAT(verify_graft({share(*real().target.file)}, opened(real().target), opened(donor), kFallback,
                           SharedExtents::kRead, keep_going),
              FailsWith(ErrorCode::kIncompatible, "feed_forward_length"));
}

// A file that shares the given parts of its copied ranges with the source, and tells what was read of it.
class SharingFile final : public ReadableFile {
 public:
  // `parts` stand at offsets of the file itself.
  SharingFile(Bytes bytes, std::vector<ByteRange> parts)
      : file_("x.gguf", std::move(bytes)), parts_(std::move(parts)) {}

  [[nodiscard]] const std::string& path() const override { return file_.path(); }
  [[nodiscard]] std::uint64_t size() const override { return file_.size(); }
  [[nodiscard]] std::uint64_t stored_bytes() const override { return file_.size(); }
  [[nodiscard]] Status check_unchanged() const override { return ok_status(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    const std::lock_guard lock(mutex_);
    read_.push_back({offset, out.size()});
    return file_.read_at(offset, out);
  }

  [[nodiscard]] std::vector<ByteRange> shared_parts(const ReadableFile& source, const CopyRange& range) const override {
    asked_.emplace_back(&source, range);
    std::vector<ByteRange> inside;
    for (const auto& part : parts_) {
      const auto from = std::max(part.offset, range.offset);
      const auto to = std::min(part.offset + part.length, range.offset + range.length);
      if (from < to) {
        inside.push_back({from - range.offset, to - from});
      }
    }
    return inside;
  }

  [[nodiscard]] std::uint64_t read_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& range : read_) {
      sum += range.length;
    }
    return sum;
  }
  [[nodiscard]] bool has_read_of(const ByteRange& part) const {
    return std::ranges::any_of(read_, [&](const ByteRange& range) {
      return range.offset < part.offset + part.length && part.offset < range.offset + range.length;
    });
  }
  [[nodiscard]] const std::vector<std::pair<const ReadableFile*, CopyRange>>& asked() const { return asked_; }

 private:
  MemoryFile file_;
  std::vector<ByteRange> parts_;
  mutable std::mutex mutex_;
  mutable std::vector<ByteRange> read_;
  mutable std::vector<std::pair<const ReadableFile*, CopyRange>> asked_;
};

VerifyReport compare_sharing(const SharingFile& file, const ComparedCase& graft,
                             SharedExtents shared = SharedExtents::kTrust) {
  const auto report = compare_with_plan(file, graft.plan, *graft.target.file, *graft.donor.file, shared, keep_going);
  EXPECT_THAT(report, IsOk());
  return report.value();
}

// Two parts of the body, one longer than is read at once, with a little between them.
std::vector<ByteRange> parts_of_body(const ComparedCase& graft) {
  const auto start = graft.plan.data_offset + 1'000;
  return {{start, 5'000'000}, {start + 5'000'010, 50'000}};
}

TEST(CompareSharedExtents, AreNeitherReadNorCompared) {
  const auto& graft = real();
  const auto parts = parts_of_body(graft);
  for (const bool differs : {false, true}) {
    auto bytes = graft.graft;
    for (const auto& part : parts) {
      for (const auto offset : {part.offset, part.offset + part.length / 2, part.offset + part.length - 1}) {
        bytes[offset] ^= std::byte{differs};
      }
    }
    const SharingFile file(std::move(bytes), parts);
    const auto report = compare_sharing(file, graft);
    EXPECT_TRUE(report.ok());
    EXPECT_EQ(report.shared_bytes, 5'050'000U);
    EXPECT_EQ(report.shared_bytes + report.compared_bytes, file.size());
    EXPECT_EQ(file.read_bytes(), report.compared_bytes);
    for (const auto& part : parts) {
      EXPECT_FALSE(file.has_read_of(part));
    }
  }
}

TEST(CompareSharedExtents, AreAskedForWithTheRightSource) {
  const auto& graft = real();
  const SharingFile file(graft.graft, {});
  compare_sharing(file, graft);
  std::vector<std::pair<const ReadableFile*, CopyRange>> expected;
  std::uint64_t offset = 0;
  for (const auto& segment : graft.plan.segments) {
    if (const auto* copy = std::get_if<Copy>(&segment)) {
      const auto& source = copy->source == Source::kTarget ? *graft.target.file : *graft.donor.file;
      expected.emplace_back(&source, CopyRange{copy->offset, offset, copy->length});
    }
    offset += segment_length(segment);
  }
  ASSERT_EQ(file.asked().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(file.asked()[i].first, expected[i].first) << i;
    EXPECT_EQ(file.asked()[i].second.source_offset, expected[i].second.source_offset) << i;
    EXPECT_EQ(file.asked()[i].second.offset, expected[i].second.offset) << i;
    EXPECT_EQ(file.asked()[i].second.length, expected[i].second.length) << i;
  }
}

TEST(CompareSharedExtents, HideNothingBesideThem) {
  const auto& graft = real();
  const auto parts = parts_of_body(graft);
  const std::vector<std::uint64_t> places{0,
                                          parts[0].offset - 1,
                                          parts[0].offset + parts[0].length,
                                          parts[1].offset - 1,
                                          parts[1].offset + parts[1].length,
                                          graft.graft.size() - 1};
  for (const auto place : places) {
    const SharingFile file(flip(graft.graft, place), parts);
    const auto report = compare_sharing(file, graft);
    ASSERT_EQ(report.findings.size(), 1U) << place;
    EXPECT_EQ(report.findings[0].offset, place);
  }
}

TEST(CompareSharedExtents, MayBeEverythingThatIsCopied) {
  const auto& graft = tiny();
  const SharingFile file(graft.graft, {{0, graft.graft.size()}});
  const auto report = compare_sharing(file, graft);
  EXPECT_TRUE(report.ok());
  std::uint64_t copied = 0;
  for (const auto& segment : graft.plan.segments) {
    copied += std::holds_alternative<Copy>(segment) ? segment_length(segment) : 0;
  }
  EXPECT_EQ(report.shared_bytes, copied);
  EXPECT_EQ(file.read_bytes(), file.size() - copied);
}

TEST(CompareSharedExtents, AreReadAllTheSameWhenToldTo) {
  const auto& graft = real();
  const auto parts = parts_of_body(graft);
  const SharingFile file(flip(graft.graft, parts[0].offset + 7), parts);
  const auto report = compare_sharing(file, graft, SharedExtents::kRead);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].offset, parts[0].offset + 7);
  EXPECT_EQ(report.shared_bytes, 0U);
  EXPECT_EQ(report.compared_bytes, file.size());
  EXPECT_EQ(file.read_bytes(), file.size());
  EXPECT_TRUE(file.asked().empty());
}

// What a file system says of a range that passes the end of the file need not fit to it.
TEST(CompareSharedExtents, AreNotTrustedInASegmentThatTheFileEndsIn) {
  const auto& graft = real();
  const auto parts = parts_of_body(graft);
  const auto body_end = std::ranges::find_if(
      graft.plan.segments, [](const Segment& segment) { return segment_length(segment) > 5'050'000; });
  ASSERT_NE(body_end, graft.plan.segments.end());
  auto bytes = flip(graft.graft, parts[0].offset + 7);
  bytes.resize(graft.plan.data_offset + segment_length(*body_end) - 1);
  const SharingFile file(std::move(bytes), parts);
  const auto report = compare_sharing(file, graft);
  EXPECT_EQ(report.shared_bytes, 0U);
  EXPECT_EQ(report.compared_bytes, file.size());
  ASSERT_EQ(report.findings.size(), 2U);
  EXPECT_THAT(report.findings[0].message, testing::HasSubstr("the file has "));
  EXPECT_EQ(report.findings[1].offset, parts[0].offset + 7);
}

}  // namespace
}  // namespace mtpgraft
