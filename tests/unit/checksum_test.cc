#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "matchers.h"
#include "models.h"
#include "mtpgraft/execute.h"
#include "mtpgraft/verify.h"
#include "util/hash.h"

namespace mtpgraft {
namespace {

constexpr Digest kDigest{0x0123456789ABCDEF, 0xFEDCBA9876543210};
constexpr std::string_view kHex = "0123456789abcdeffedcba9876543210";

TEST(FormatChecksum, IsATaggedLine) {
  EXPECT_EQ(format_checksum({"blk.0.attn_q.weight", kDigest}), fmt::format("XXH128 (blk.0.attn_q.weight) = {}", kHex));
  EXPECT_EQ(format_checksum({"", kDigest}), fmt::format("XXH128 () = {}", kHex));
}

TEST(FormatChecksum, EscapesWhatWouldBreakTheLine) {
  EXPECT_EQ(format_checksum({"a\nb\\c\rd", kDigest}), fmt::format(R"(\XXH128 (a\nb\\c\rd) = {})", kHex));
}

TEST(ParseCheckfile, ReadsWhatIsWritten) {
  for (const std::string name :
       {"blk.0.attn_q.weight", "", " ", "a) = b", "a) = 00000000000000000000000000000000", "(x)", "a\nb", "a\\nb", "\\",
        "\r", "ünï", "#not a comment", "XXH128 (nested) = x", "00000000000000000000000000000000  x"}) {
    const auto check = parse_checkfile(format_checksum({name, kDigest}) + "\n");
    ASSERT_EQ(check.checksums.size(), 1U) << name;
    EXPECT_EQ(check.checksums[0].name, name);
    EXPECT_EQ(check.checksums[0].digest, kDigest);
    EXPECT_TRUE(check.bad_lines.empty());
  }
}

TEST(ParseCheckfile, ReadsGnuLines) {
  for (const std::string_view separator : {"  ", " *"}) {
    const auto check = parse_checkfile(fmt::format("{}{}blk.0 name", kHex, separator));
    ASSERT_EQ(check.checksums.size(), 1U);
    EXPECT_EQ(check.checksums[0].name, "blk.0 name");
    EXPECT_EQ(check.checksums[0].digest, kDigest);
  }
  const auto escaped = parse_checkfile(fmt::format(R"(\{}  a\nb)", kHex));
  ASSERT_EQ(escaped.checksums.size(), 1U);
  EXPECT_EQ(escaped.checksums[0].name, "a\nb");
}

TEST(ParseCheckfile, ReadsUpperCaseDigestsAndWindowsLines) {
  const auto check = parse_checkfile(
      "# a comment\r\n\r\nXXH128 (a) = 0123456789ABCDEFFEDCBA9876543210\r\n\nXXH128 (b) = "
      "0123456789abcdeffedcba9876543210");
  ASSERT_EQ(check.checksums.size(), 2U);
  EXPECT_EQ(check.checksums[0].name, "a");
  EXPECT_EQ(check.checksums[0].digest, kDigest);
  EXPECT_EQ(check.checksums[1].name, "b");
  EXPECT_TRUE(check.bad_lines.empty());
}

TEST(ParseCheckfile, NumbersBadLines) {
  const std::vector<std::string> bad{"not a checksum",
                                     fmt::format("XXH128 (a = {}", kHex),
                                     fmt::format("XXH128 (a) = {}0", kHex),
                                     fmt::format("XXH128 (a) = {}", kHex.substr(1)),
                                     fmt::format("XXH128 (a) = -{}", kHex.substr(1)),
                                     fmt::format("XXH128 (a) = g{}", kHex.substr(1)),
                                     fmt::format("XXH64 (a) = {}", kHex),
                                     fmt::format("{} a", kHex),
                                     fmt::format("{}  ", kHex),
                                     fmt::format(R"(\XXH128 (a\t) = {})", kHex),
                                     fmt::format(R"(\XXH128 (a\) = {})", kHex),
                                     fmt::format(" XXH128 (a) = {}", kHex)};
  std::string text = fmt::format("XXH128 (good) = {}\n", kHex);
  for (const auto& line : bad) {
    text += line + "\n\n";
  }
  const auto check = parse_checkfile(text);
  EXPECT_EQ(check.checksums.size(), 1U);
  std::vector<std::uint64_t> expected;
  for (std::size_t i = 0; i < bad.size(); ++i) {
    expected.push_back(2 + 2 * i);
  }
  EXPECT_EQ(check.bad_lines, expected);
}

TEST(ParseCheckfile, TakesNothingAsNothing) {
  EXPECT_TRUE(parse_checkfile("").checksums.empty());
  EXPECT_TRUE(parse_checkfile("\n\n# only this").bad_lines.empty());
}

TEST(ComputeChecksums, CoversHeaderAndTensorsWithoutPadding) {
  const auto model = load_model("golden/tiny-qwen35-target");
  const auto checksums = compute_checksums(*model.file, model.gguf, keep_going);
  ASSERT_THAT(checksums, IsOk());
  ASSERT_EQ(checksums.value().size(), model.gguf.tensors.size() + 1);
  const auto all = std::span(model.bytes());
  EXPECT_EQ(checksums.value()[0].name, kMetadataName);
  EXPECT_EQ(checksums.value()[0].digest, digest_of(all.first(model.gguf.infos_end)));
  for (std::size_t i = 0; i < model.gguf.tensors.size(); ++i) {
    const auto& tensor = model.gguf.tensors[i];
    EXPECT_EQ(checksums.value()[i + 1].name, tensor.name);
    EXPECT_EQ(checksums.value()[i + 1].digest, digest_of(all.subspan(tensor.offset, tensor.size_bytes)));
  }
}

// What makes the list useful: the trunk's lines stay valid for the graft.
TEST(ComputeChecksums, OfATargetHoldForItsGraft) {
  const auto target = load_model(kTarget);
  const auto graft = graft_model(target, load_model(kDonor));
  const auto listed = compute_checksums(*target.file, target.gguf, keep_going);
  ASSERT_THAT(listed, IsOk());
  const auto results = check_listed(*graft.file, graft.gguf, listed.value(), keep_going);
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ(results.value()[0], CheckResult::kDiffers);
  EXPECT_THAT(std::vector(results.value().begin() + 1, results.value().end()), testing::Each(CheckResult::kOk));
}

TEST(CheckListed, TellsOkDiffersAndMissingInOrder) {
  const auto model = load_model("golden/tiny-qwen35-target");
  auto listed = compute_checksums(*model.file, model.gguf, keep_going).value();
  listed[1].digest.low ^= 1;
  listed[3].name = "elsewhere";
  listed.push_back(listed[2]);
  const auto results = check_listed(*model.file, model.gguf, listed, keep_going);
  ASSERT_THAT(results, IsOk());
  ASSERT_EQ(results.value().size(), listed.size());
  for (std::size_t i = 0; i < listed.size(); ++i) {
    const auto expected = i == 1 ? CheckResult::kDiffers : i == 3 ? CheckResult::kMissing : CheckResult::kOk;
    EXPECT_EQ(results.value()[i], expected) << i;
  }
}

TEST(CheckListed, StopsWhenProgressSaysSo) {
  const auto model = load_model("golden/tiny-qwen35-target");
  EXPECT_THAT(compute_checksums(*model.file, model.gguf, [](std::uint64_t) { return false; }),
              FailsWith(ErrorCode::kInterrupted, ""));
}

std::vector<std::string> lines_of(const std::vector<Checksum>& checksums) {
  std::vector<std::string> lines;
  for (const auto& checksum : checksums) {
    lines.push_back(format_checksum(checksum));
  }
  return lines;
}

std::vector<std::string> collect(const Plan& plan, const Bytes& output, const std::vector<std::size_t>& pieces) {
  ChecksumCollector collector(plan);
  std::size_t piece = 0;
  for (std::size_t at = 0; at < output.size();) {
    const auto size = std::min(pieces[piece++ % pieces.size()], output.size() - at);
    collector.observe(std::span(output).subspan(at, size));
    at += size;
  }
  return lines_of(collector.finish());
}

struct Pair {
  std::string_view target;
  std::string_view donor;
  bool replace = false;
};

void PrintTo(const Pair& pair, std::ostream* stream) { *stream << pair.target << " + " << pair.donor; }

class ChecksumCollectorTest : public testing::TestWithParam<Pair> {};

INSTANTIATE_TEST_SUITE_P(Models, ChecksumCollectorTest,
                         testing::Values(Pair{kTarget, kDonor}, Pair{kTarget, "donor-norms-q8_0"},
                                         Pair{kTarget, "donor-head-first-order"}, Pair{kTarget, "donor-own-embeddings"},
                                         Pair{kTarget, "donor-align-64"}, Pair{"target-placeholder", kDonor},
                                         Pair{"target-placeholder-recurrent-layers", kDonor},
                                         Pair{"target-align-64", "donor-norms-f16"}, Pair{"target-align-4096", kDonor},
                                         Pair{"target-unpadded-end", kDonor}, Pair{"target-v2", kDonor},
                                         Pair{"target-shuffled-keys", kDonor}, Pair{"target-odd-keys", kDonor},
                                         Pair{"target-trailing-bytes", kDonor}, Pair{"target-with-head", kDonor, true},
                                         Pair{"target-with-head-first", kDonor, true},
                                         Pair{"moe-qwen35moe-target", "moe-qwen35moe-donor"},
                                         Pair{"golden/tiny-qwen35-target", "golden/tiny-qwen35-donor"}),
                         [](const auto& of) {
                           auto name = fmt::format("{}_{}", of.param.target, of.param.donor);
                           std::ranges::replace_if(
                               name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

TEST_P(ChecksumCollectorTest, GivesWhatReadingTheFinishedFileGives) {
  const auto target = load_model(GetParam().target);
  const auto donor = load_model(GetParam().donor);
  for (const bool has_record : {true, false}) {
    const auto options =
        has_record ? graft_options(target, donor, GetParam().replace) : without_record(GetParam().replace);
    const auto plan = make_plan(target, donor, options);
    const auto graft = parse_model("graft.gguf", spell(plan, target, donor));
    const auto computed = compute_checksums(*graft.file, graft.gguf, keep_going);
    ASSERT_THAT(computed, IsOk());
    const auto expected = lines_of(computed.value());
    for (const auto& pieces : std::vector<std::vector<std::size_t>>{
             {graft.bytes().size()}, {1, 31, 4'093, 2, 65'537}, {97}, {graft.gguf.infos_end, graft.bytes().size()}}) {
      EXPECT_EQ(collect(plan, graft.bytes(), pieces), expected);
    }
  }
}

TEST(ChecksumCollector, TakesTheOutputByteByByte) {
  const auto target = load_model("golden/tiny-qwen35-target");
  const auto donor = load_model("golden/tiny-qwen35-donor");
  const auto graft = graft_model(target, donor);
  EXPECT_EQ(collect(make_plan(target, donor), graft.bytes(), {1}),
            lines_of(compute_checksums(*graft.file, graft.gguf, keep_going).value()));
}

TEST(ChecksumCollector, SeesTheOutputWhileItIsWritten) {
  const auto target = load_model("target-unpadded-end");
  const auto donor = load_model("donor-norms-f16");
  const auto plan = make_plan(target, donor);
  ChecksumCollector collector(plan);
  const ExecuteOptions options{.method = CopyMethod::kAuto,
                               .observe = [&](std::span<const std::byte> bytes) { collector.observe(bytes); }};
  MemoryFileSystem files;
  const auto staged = files.stage("out", plan.output_size);
  ASSERT_THAT(staged, IsOk());
  ASSERT_THAT(execute_plan(plan, *target.file, *donor.file, *staged.value(), options, keep_going), IsOk());
  ASSERT_THAT(staged.value()->commit(Overwrite::kNo, Durability::kNoSync), IsOk());
  const auto graft = parse_model("graft.gguf", *files.find("out"));
  EXPECT_EQ(lines_of(collector.finish()), lines_of(compute_checksums(*graft.file, graft.gguf, keep_going).value()));
}

}  // namespace
}  // namespace mtpgraft
