// Comparing a file with the plan of a graft, and with the plan made again from target and donor.
#include <fmt/core.h>

#include <algorithm>

#include "matchers.h"
#include "models.h"
#include "mtpgraft/verify.h"

namespace mtpgraft {
namespace {

struct Case {
  Model target;
  Model donor;
  Plan plan;
  Bytes graft;
};

Case make_case(std::string_view target_name, std::string_view donor_name) {
  Case result{load_model(target_name), load_model(donor_name), {}, {}};
  result.plan = make_plan(result.target, result.donor);
  result.graft = spell(result.plan, result.target, result.donor);
  return result;
}

const Case& tiny() {
  static const Case result = make_case("golden/tiny-qwen35-target", "golden/tiny-qwen35-donor");
  return result;
}

const Case& real() {
  static const Case result = make_case(kTarget, "donor-norms-bf16");
  return result;
}

VerifyReport compare(const Case& graft, Bytes bytes) {
  const auto report = compare_with_plan(MemoryFile("x.gguf", std::move(bytes)), graft.plan, *graft.target.file,
                                        *graft.donor.file, SharedExtents::kRead, keep_going);
  EXPECT_THAT(report, IsOk());
  return report.value();
}

// What the program calls the files; the record knows better.
const RecordLabels kFallback{"mtpgraft 9.9.9", "fallback-target.gguf", "fallback-donor.gguf"};

VerifyReport verify(const Case& graft, Bytes bytes, const RecordLabels& fallback = kFallback) {
  const auto report = verify_graft(MemoryFile("x.gguf", std::move(bytes)), *graft.target.file, *graft.donor.file,
                                   fallback, SharedExtents::kRead, keep_going);
  EXPECT_THAT(report, IsOk());
  return report.value();
}

RecordLabels labels_of(const Case& graft) {
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
  const auto plan = make_plan(graft.target, graft.donor, without_record());
  EXPECT_TRUE(verify(graft, spell(plan, graft.target, graft.donor)).ok());
}

TEST(VerifyGraft, AcceptsAReplacedHead) {
  const auto donor = load_model(kDonor);
  const auto first = graft_model(load_model(kTarget), load_model("mtp-base-8L-Q8_0"));
  const auto second = graft_model(first, donor, graft_options(first, donor, true));
  const auto report = verify_graft(*second.file, *first.file, *donor.file, kFallback, SharedExtents::kRead, keep_going);
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report.value().ok());
}

TEST(VerifyGraft, RefusesTheGraftOfAnotherDonor) {
  const auto donor = load_model("mtp-base-8L-Q8_0");
  const auto& graft = real();
  const auto report = verify_graft(MemoryFile("x.gguf", graft.graft), *graft.target.file, *donor.file, kFallback,
                                   SharedExtents::kRead, keep_going);
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
  EXPECT_THAT(
      verify_graft(*real().target.file, *real().target.file, *donor.file, kFallback, SharedExtents::kRead, keep_going),
      FailsWith(ErrorCode::kIncompatible, "feed_forward_length"));
}

}  // namespace
}  // namespace mtpgraft
