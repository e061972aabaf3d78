#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/execute.h"
#include "mtpgraft/verify.h"
#include "util/hash.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kHex = "0123456789abcdeffedcba9876543210";

Checksum xxh128_of(std::string_view name, std::string_view hex = kHex) {
  return {std::string(name), DigestAlgorithm::kXxh128, std::string(hex)};
}

TEST(FormatChecksum, IsATaggedLine) {
  EXPECT_EQ(format_checksum(xxh128_of("blk.0.attn_q.weight")), fmt::format("XXH128 (blk.0.attn_q.weight) = {}", kHex));
  EXPECT_EQ(format_checksum(xxh128_of("")), fmt::format("XXH128 () = {}", kHex));
}

TEST(FormatChecksum, EscapesWhatWouldBreakTheLine) {
  EXPECT_EQ(format_checksum(xxh128_of("a\nb\\c\rd")), fmt::format(R"(\XXH128 (a\nb\\c\rd) = {})", kHex));
}

TEST(ParseCheckfile, ReadsWhatIsWritten) {
  for (const std::string name :
       {"blk.0.attn_q.weight", "", " ", "a) = b", "a) = 00000000000000000000000000000000", "(x)", "a\nb", "a\\nb", "\\",
        "\r", "ünï", "#not a comment", "XXH128 (nested) = x", "00000000000000000000000000000000  x"}) {
    const auto check = parse_checkfile(format_checksum(xxh128_of(name)) + "\n");
    ASSERT_EQ(check.checksums.size(), 1U) << name;
    EXPECT_EQ(check.checksums[0].name, name);
    EXPECT_EQ(check.checksums[0].hex, kHex);
    EXPECT_TRUE(check.bad_lines.empty());
  }
}

TEST(ParseCheckfile, ReadsGnuLines) {
  for (const std::string_view separator : {"  ", " *"}) {
    const auto check = parse_checkfile(fmt::format("{}{}blk.0 name", kHex, separator));
    ASSERT_EQ(check.checksums.size(), 1U);
    EXPECT_EQ(check.checksums[0].name, "blk.0 name");
    EXPECT_EQ(check.checksums[0].hex, kHex);
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
  EXPECT_EQ(check.checksums[0].hex, kHex);
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

std::vector<std::string> names_in(std::string_view text) {
  const auto check = parse_checkfile(text);
  EXPECT_TRUE(check.bad_lines.empty()) << text;
  std::vector<std::string> names;
  for (const auto& checksum : check.checksums) {
    names.push_back(checksum.name == kAllDataName ? "ALL" : checksum.name);
  }
  return names;
}

TEST(ParseCheckfile, ReadsManifestsOfGgufHash) {
  const std::string xxh64 = "xxh64     0123456789abcdef  ";
  const std::string sha1 = "sha1      0123456789abcdef0123456789abcdef01234567  ";
  const auto check = parse_checkfile(xxh64 + "m.gguf:a\n" + sha1 + "m.gguf:a\n" + xxh64 + "m.gguf\n");
  ASSERT_EQ(check.checksums.size(), 3U);
  EXPECT_EQ(check.checksums[0].algorithm, DigestAlgorithm::kXxh64);
  EXPECT_EQ(check.checksums[0].hex, "0123456789abcdef");
  EXPECT_EQ(check.checksums[1].algorithm, DigestAlgorithm::kSha1);
  EXPECT_EQ(check.checksums[2].name, kAllDataName);

  using testing::ElementsAre;
  EXPECT_THAT(names_in(xxh64 + "a: b/c:a:b\n" + xxh64 + "a: b/c\n"), ElementsAre("a:b", "ALL"));
  EXPECT_THAT(names_in(xxh64 + "c:/m.gguf\n"), ElementsAre("ALL"));
  EXPECT_THAT(names_in("uuid      01234567-89ab-5def-8123-456789abcdef  m.gguf\n"), ElementsAre());
  // An excerpt, and those of the files of a split model.
  EXPECT_THAT(names_in(xxh64 + "m:a\n" + xxh64 + "m:b\n"), ElementsAre("a", "b"));
  EXPECT_THAT(names_in(xxh64 + "1.gguf:a\n" + xxh64 + "1.gguf\n" + xxh64 + "2.gguf:b\n" + xxh64 + "2.gguf\n"),
              ElementsAre("a", "b"));
}

TEST(ParseCheckfile, TakesNothingAsNothing) {
  EXPECT_TRUE(parse_checkfile("").checksums.empty());
  EXPECT_TRUE(parse_checkfile("\n\n# only this").bad_lines.empty());
}

TEST(ComputeChecksums, CoversHeaderAndTensorsWithoutPadding) {
  const auto model = load_model("golden/tiny-qwen35-target");
  const auto checksums = compute_checksums(*model.file, model.gguf, DigestAlgorithm::kXxh128, keep_going);
  ASSERT_THAT(checksums, IsOk());
  ASSERT_EQ(checksums.value().size(), model.gguf.tensors.size() + 1);
  const auto all = std::span(model.bytes());
  EXPECT_EQ(checksums.value()[0].name, kMetadataName);
  EXPECT_EQ(checksums.value()[0].hex, to_hex(digest_of(all.first(model.gguf.infos_end))));
  for (std::size_t i = 0; i < model.gguf.tensors.size(); ++i) {
    const auto& tensor = model.gguf.tensors[i];
    EXPECT_EQ(checksums.value()[i + 1].name, tensor.name);
    EXPECT_EQ(checksums.value()[i + 1].hex, to_hex(digest_of(all.subspan(tensor.offset, tensor.size_bytes))));
  }
}

// What makes the list useful: the trunk's lines stay valid for the graft.
TEST(ComputeChecksums, OfATargetHoldForItsGraft) {
  const auto target = load_model(kTarget);
  const auto graft = graft_model(target, load_model(kDonor));
  const auto listed = compute_checksums(*target.file, target.gguf, DigestAlgorithm::kXxh128, keep_going);
  ASSERT_THAT(listed, IsOk());
  const auto results = check_listed(*graft.file, graft.gguf, listed.value(), keep_going);
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ(results.value()[0], CheckResult::kDiffers);
  EXPECT_THAT(std::vector(results.value().begin() + 1, results.value().end()), testing::Each(CheckResult::kOk));
}

TEST(CheckListed, TellsOkDiffersAndMissingInOrder) {
  const auto model = load_model("golden/tiny-qwen35-target");
  auto listed = compute_checksums(*model.file, model.gguf, DigestAlgorithm::kXxh128, keep_going).value();
  listed[1].hex = kHex;
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

TEST(CheckListed, ReadsATensorOnceForAllAlgorithms) {
  const auto model = load_model("golden/tiny-qwen35-target");
  std::vector<Checksum> listed;
  auto all = std::make_pair(make_hasher(DigestAlgorithm::kSha1), make_hasher(DigestAlgorithm::kXxh3));
  std::uint64_t data_bytes = 0;
  for (const auto& tensor : model.gguf.tensors) {
    const auto data = std::span(model.bytes()).subspan(tensor.offset, tensor.size_bytes);
    all.first->update(data);
    all.second->update(data);
    data_bytes += data.size();
    for (const auto algorithm : {DigestAlgorithm::kSha256, DigestAlgorithm::kXxh64}) {
      const auto hasher = make_hasher(algorithm);
      hasher->update(data);
      listed.push_back({tensor.name, algorithm, hasher->finish_hex()});
    }
  }
  listed.push_back({std::string(kAllDataName), DigestAlgorithm::kSha1, all.first->finish_hex()});
  listed.push_back({std::string(kAllDataName), DigestAlgorithm::kXxh3, all.second->finish_hex()});

  std::uint64_t read_bytes = 0;
  const auto count = [&](std::uint64_t bytes) {
    read_bytes += bytes;
    return true;
  };
  const auto results = check_listed(*model.file, model.gguf, listed, count);
  ASSERT_THAT(results, IsOk());
  EXPECT_THAT(results.value(), testing::Each(CheckResult::kOk));
  EXPECT_EQ(read_bytes, data_bytes);

  // Without the first tensor, the list cannot tell of all data of this file.
  listed.erase(listed.begin(), listed.begin() + 2);
  const auto fewer = check_listed(*model.file, model.gguf, listed, keep_going);
  ASSERT_THAT(fewer, IsOk());
  EXPECT_EQ(fewer.value().back(), CheckResult::kNotComparable);
  EXPECT_EQ(fewer.value().front(), CheckResult::kOk);
}

TEST(CheckListed, StopsWhenProgressSaysSo) {
  const auto model = load_model("golden/tiny-qwen35-target");
  EXPECT_THAT(compute_checksums(*model.file, model.gguf, DigestAlgorithm::kXxh128, [](std::uint64_t) { return false; }),
              FailsWith(ErrorCode::kInterrupted, ""));
}

std::vector<std::string> lines_of(const std::vector<Checksum>& checksums) {
  std::vector<std::string> lines;
  for (const auto& checksum : checksums) {
    lines.push_back(format_checksum(checksum));
  }
  return lines;
}

std::vector<std::string> collect(const FilePlan& plan, const Bytes& output, const std::vector<std::size_t>& pieces) {
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
    const auto plan = make_file_plan(target, donor, options);
    const auto graft = parse_model("graft.gguf", spell(plan, target, donor));
    const auto computed = compute_checksums(*graft.file, graft.gguf, DigestAlgorithm::kXxh128, keep_going);
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
  EXPECT_EQ(collect(make_file_plan(target, donor), graft.bytes(), {1}),
            lines_of(compute_checksums(*graft.file, graft.gguf, DigestAlgorithm::kXxh128, keep_going).value()));
}

// Where only offsets tell a size, it depends on what stands behind the tensor.
TEST(ChecksumCollector, KnowsHowTensorsOfUnknownSizeAreReadInTheOutput) {
  constexpr std::uint32_t kUnknownSize = 46;
  const auto golden = load_model("golden/tiny-qwen35-target");
  const auto donor = load_model("golden/tiny-qwen35-donor");
  for (const std::size_t others : {0U, 1U, 3U}) {
    GgufBuilder builder(golden.bytes(), golden.gguf);
    for (std::size_t i = 0; i < others; ++i) {
      builder.tensor(fmt::format("blk.0.other_{}.weight", i), {4, i + 1}, kUnknownSize, 29 * (i + 1));
    }
    auto bytes = builder.tensor("blk.0.last.weight", {4, 4}, kUnknownSize, 29 * 4).build();
    bytes.resize(bytes.size() - 12);  // to the end of the data
    const auto target = parse_model("target.gguf", bytes);
    ASSERT_EQ(target.gguf.tensors.back().size_bytes, 29 * 4U);
    const auto expect_as_read = [&](const FilePlan& plan) {
      const auto output = parse_model("output.gguf", spell(plan, target, donor));
      EXPECT_EQ(collect(plan, output.bytes(), {97}),
                lines_of(compute_checksums(*output.file, output.gguf, DigestAlgorithm::kXxh128, keep_going).value()));
    };
    expect_as_read(make_file_plan(target, donor));
    const auto split = try_plan(target, donor, {.labels = std::nullopt, .split = Split::kHead});
    ASSERT_THAT(split, IsOk());
    expect_as_read(split.value().files.front());
  }
}

TEST(ChecksumCollector, SeesTheOutputWhileItIsWritten) {
  const auto target = load_model("target-unpadded-end");
  const auto donor = load_model("donor-norms-f16");
  const auto plan = make_file_plan(target, donor);
  ChecksumCollector collector(plan);
  const ExecuteOptions options{.method = CopyMethod::kAuto,
                               .observe = [&](std::span<const std::byte> bytes) { collector.observe(bytes); }};
  MemoryFileSystem files;
  const auto staged = files.stage("out", plan.output_size);
  ASSERT_THAT(staged, IsOk());
  ASSERT_THAT(execute_plan(plan, *target.file, *donor.file, *staged.value(), options, keep_going), IsOk());
  ASSERT_THAT(staged.value()->commit(Overwrite::kNo, Durability::kNoSync), IsOk());
  const auto graft = parse_model("graft.gguf", *files.find("out"));
  EXPECT_EQ(lines_of(collector.finish()),
            lines_of(compute_checksums(*graft.file, graft.gguf, DigestAlgorithm::kXxh128, keep_going).value()));
}

}  // namespace
}  // namespace mtpgraft
