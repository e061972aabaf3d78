#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <set>
#include <stdexcept>

#include "matchers.h"
#include "mtpgraft/digest.h"
#include "util/checked.h"
#include "util/hash.h"
#include "util/parallel.h"
#include "util/parse.h"
#include "util/sha256.h"
#include "util/stored_name.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::uint64_t kMax = UINT64_MAX;

TEST(DigestName, IsHexadecimalOfTheLengthOfADigest) {
  const std::string digits = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";
  for (const auto& name : {digits, "sha256-" + digits, "SHA256-" + digits, "sha256:" + digits, digits.substr(24),
                           digits + ".gguf", digits + ".incomplete", "sha256-" + digits + "-partial"}) {
    EXPECT_TRUE(is_digest_name(name)) << name;
    EXPECT_TRUE(is_digest_name("a/b/" + name)) << name;
  }
  for (const auto& name :
       {digits.substr(1), digits + "0", "g" + digits.substr(1), "Model-" + digits, std::string("sha256-"),
        "sha256-" + digits + "/X.gguf", std::string("X.gguf"), std::string(), digits + "/"}) {
    EXPECT_FALSE(is_digest_name(name)) << name;
  }
}

TEST(Checked, AddNoticesOverflow) {
  EXPECT_EQ(checked_add(kMax - 1, 1), kMax);
  EXPECT_EQ(checked_add(kMax, 0), kMax);
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
  EXPECT_EQ(checked_add(1, kMax), std::nullopt);
  EXPECT_EQ(checked_add(kMax, kMax), std::nullopt);
}

TEST(Checked, MulNoticesOverflow) {
  EXPECT_EQ(checked_mul(0, kMax), 0U);
  EXPECT_EQ(checked_mul(kMax, 0), 0U);
  EXPECT_EQ(checked_mul(kMax, 1), kMax);
  EXPECT_EQ(checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 31), std::uint64_t{1} << 63);
  EXPECT_EQ(checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(checked_mul((std::uint64_t{1} << 62) + 1, 4), std::nullopt);
}

TEST(Checked, AlignUpNoticesOverflow) {
  EXPECT_EQ(checked_align_up(0, 32), 0U);
  EXPECT_EQ(checked_align_up(1, 32), 32U);
  EXPECT_EQ(checked_align_up(32, 32), 32U);
  EXPECT_EQ(checked_align_up(33, 1), 33U);
  EXPECT_EQ(checked_align_up(kMax - 31, 32), kMax - 31);
  EXPECT_EQ(checked_align_up(kMax - 30, 32), std::nullopt);
}

TEST(Checked, PowersOfTwo) {
  EXPECT_FALSE(is_power_of_two(0));
  EXPECT_TRUE(is_power_of_two(1));
  EXPECT_FALSE(is_power_of_two(24));
  EXPECT_TRUE(is_power_of_two(std::uint64_t{1} << 63));
}

TEST(Checked, RangeFits) {
  EXPECT_TRUE(range_fits(0, 0, 0));
  EXPECT_TRUE(range_fits(10, 0, 10));
  EXPECT_TRUE(range_fits(4, 6, 10));
  EXPECT_FALSE(range_fits(4, 7, 10));
  EXPECT_FALSE(range_fits(11, 0, 10));
  EXPECT_FALSE(range_fits(4, kMax, 10));
  EXPECT_FALSE(range_fits(kMax, 2, 10));
}

TEST(Printable, KeepsText) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("blk.0.attn_q.weight 'quoted' \\ \"x\""), "blk.0.attn_q.weight 'quoted' \\ \"x\"");
  EXPECT_EQ(printable("Grüße, 世界 🙂 \u00a0"), "Grüße, 世界 🙂 \u00a0");
}

TEST(Printable, EscapesControlCharacters) {
  EXPECT_EQ(printable("a\nb\tc"), "a\\nb\\tc");
  EXPECT_EQ(printable("\x1b[31mred\x1b[0m\a\r\x7f"), "\\x1b[31mred\\x1b[0m\\x07\\x0d\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  // C1 controls, which some terminals obey: U+009B begins an escape sequence.
  EXPECT_EQ(printable("\u009b31m\u0080\u009f\u00a0"), "\\xc2\\x9b31m\\xc2\\x80\\xc2\\x9f\u00a0");
}

TEST(Printable, EscapesWhatHidesOrTurnsText) {
  EXPECT_EQ(printable("gpj.\u202egguf"), "gpj.\\xe2\\x80\\xaegguf");
  EXPECT_EQ(printable("\u2066a\u2069\u200f\u061c"), "\\xe2\\x81\\xa6a\\xe2\\x81\\xa9\\xe2\\x80\\x8f\\xd8\\x9c");
  EXPECT_EQ(printable("a\u2028b\u2029"), "a\\xe2\\x80\\xa8b\\xe2\\x80\\xa9");
  EXPECT_EQ(printable("a\u200bb\ufeff\u00ad"), "a\\xe2\\x80\\x8bb\\xef\\xbb\\xbf\\xc2\\xad");
  EXPECT_EQ(printable("x\U000e0041"), "x\\xf3\\xa0\\x81\\x81");  // an invisible A
  // Neighbours of the ranges, which are letters, spaces and punctuation.
  EXPECT_EQ(printable("\u200a\u2010\u2027\u202f\u205f\u2070"), "\u200a\u2010\u2027\u202f\u205f\u2070");
}

TEST(Printable, EscapesInvalidUtf8) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("\x9b"), "\\x9b");
  EXPECT_EQ(printable("x\xc3"), "x\\xc3");
  EXPECT_EQ(printable("\xe4\xb8\xffz"), "\\xe4\\xb8\\xffz");
  EXPECT_EQ(printable("\xc0\x80"), "\\xc0\\x80");                             // overlong NUL
  EXPECT_EQ(printable("\xe0\x82\x9b"), "\\xe0\\x82\\x9b");                    // overlong U+009B
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");                    // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");           // above U+10FFFF
  EXPECT_EQ(printable("\xf8\x88\x80\x80\x80"), "\\xf8\\x88\\x80\\x80\\x80");  // five bytes
}

TEST(FormatBytes, ReadsWell) {
  EXPECT_EQ(format_bytes(0), "0 bytes");
  EXPECT_EQ(format_bytes(1), "1 byte");
  EXPECT_EQ(format_bytes(1023), "1023 bytes");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(6'720'000), "6.4 MiB");
  EXPECT_EQ(format_bytes(std::uint64_t{30} << 30), "30.0 GiB");
  EXPECT_EQ(format_bytes(kMax), "16384.0 PiB");
}

// Rounding must not show a number that the next unit is for.
TEST(FormatBytes, TakesTheNextUnitWhenRoundingReachesIt) {
  EXPECT_EQ(format_bytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(format_bytes((1 << 30) - 1), "1.0 GiB");
}

TEST(FormatBytes, CountsInPowersOfTenToo) {
  EXPECT_EQ(format_bytes_decimal(999), "999 bytes");
  EXPECT_EQ(format_bytes_decimal(8'696'448), "8.7 MB");
  EXPECT_EQ(format_bytes_decimal(999'999'999), "1.0 GB");
}

TEST(Nearest, FindsWhatWasMeant) {
  const auto names = std::to_array<std::string_view>({"head_type", "set", "unset", "yarn"});
  EXPECT_EQ(nearest("head_typ", names), "head_type");
  EXPECT_EQ(nearest("haed_type", names), "head_type");
  EXPECT_EQ(nearest("unsett", names), "unset");
  EXPECT_EQ(nearest("donor", names), "");
  EXPECT_EQ(nearest("", names), "");
}

TEST(FormatCount, GroupsDigits) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(27'356'160), "27,356,160");
  EXPECT_EQ(format_count(kMax), "18,446,744,073,709,551,615");
}

TEST(FormatTable, AlignsColumns) {
  EXPECT_EQ(format_table({{"a", "bbb", "c"}, {"aaaa", "b", ""}, {"a"}}, "  "),
            "  a     bbb  c\n"
            "  aaaa  b\n"
            "  a\n");
  EXPECT_EQ(format_table({}, "  "), "");
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// As xxhsum -H128 prints them.
TEST(ParseNumber, IsTheWholeText) {
  EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_number<int>("-7"), -7);
  EXPECT_EQ(parse_number<double>("0.5"), 0.5);
  for (const auto* text : {"", "x", "-1", "+1", " 1", "1 ", "1.5", "18446744073709551616"}) {
    EXPECT_EQ(parse_number<std::uint64_t>(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_hex_number<std::uint8_t>("fF"), 255);
  for (const auto* text : {"", "100", "0x1", "g"}) {
    EXPECT_EQ(parse_hex_number<std::uint8_t>(text), std::nullopt) << text;
  }
}

TEST(ParseNumber, TakesItOffTheFront) {
  std::string_view text = "12.attn";
  EXPECT_EQ(take_number<unsigned>(text), 12U);
  EXPECT_EQ(text, ".attn");
  EXPECT_EQ(take_number<unsigned>(text), std::nullopt);
  EXPECT_EQ(text, ".attn");
}

TEST(Hex, ReadsWhatItWrites) {
  const std::vector<std::byte> bytes{std::byte{0}, std::byte{0x9a}, std::byte{0xff}};
  EXPECT_EQ(to_hex(bytes), "009aff");
  EXPECT_EQ(from_hex("009aff"), bytes);
  EXPECT_EQ(from_hex("009AFF"), bytes);
  EXPECT_EQ(from_hex(""), std::vector<std::byte>());
  for (const auto* text : {"0", "0g", "00 9", "-1"}) {
    EXPECT_EQ(from_hex(text), std::nullopt) << text;
  }
  EXPECT_TRUE(is_hex("09af"));
  EXPECT_FALSE(is_hex("09AF"));
}

TEST(Lowered, ChangesLettersOfAsciiOnly) { EXPECT_EQ(lowered("Q4_K_M \u00c4[`{"), "q4_k_m \u00c4[`{"); }

TEST(Hash, IsXxh3With128Bits) {
  EXPECT_EQ(to_hex(digest_of({})), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(to_hex(digest_of(bytes_of("a"))), "a96faf705af16834e6c632b61e964e1f");
  EXPECT_EQ(to_hex(digest_of(bytes_of("GGUF"))), "a565ef0a119640415f7e3134490cd933");
  EXPECT_EQ(to_hex(digest_of(bytes_of("The quick brown fox jumps over the lazy dog"))),
            "ddd650205ca3e7fa24a1cc2e3a8a7651");
  std::string text;
  for (std::size_t i = 0; i < 100'000; ++i) {
    text.push_back(static_cast<char>(i * 7 % 256));
  }
  EXPECT_EQ(to_hex(digest_of(bytes_of(text).first(200))), "dbfff5e13c798ab90497bdb3d145ccd6");
  EXPECT_EQ(to_hex(digest_of(bytes_of(text))), "4fb78cd2670dad5801271d2740e5fca3");
}

TEST(Hash, DoesNotDependOnThePieces) {
  const std::string text(5000, 'x');
  Hasher hasher;
  for (const std::size_t step : {1U, 7U, 1000U, 5000U}) {
    for (std::size_t at = 0; at < text.size(); at += step) {
      hasher.update(bytes_of(text).subspan(at, std::min(step, text.size() - at)));
    }
    EXPECT_EQ(hasher.finish(), digest_of(bytes_of(text)));
  }
  EXPECT_EQ(hasher.finish(), digest_of({}));
}

// As xxhsum and sha256sum print them.
TEST(MakeHasher, KnowsEveryAlgorithm) {
  for (const auto& [algorithm, hex] :
       {std::pair(DigestAlgorithm::kXxh128, "06b05ab6733a618578af5f94892f3950"),
        std::pair(DigestAlgorithm::kSha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        std::pair(DigestAlgorithm::kSha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        std::pair(DigestAlgorithm::kXxh64, "44bc2cf5ad770999"),
        std::pair(DigestAlgorithm::kXxh3, "78af5f94892f3950")}) {
    const auto hasher = make_hasher(algorithm);
    hasher->update(bytes_of("anything"));
    hasher->finish_hex();
    hasher->update(bytes_of("a"));
    hasher->update(bytes_of("bc"));
    EXPECT_EQ(hasher->finish_hex(), hex);
  }
}

// FIPS 180-4's examples.
TEST(Sha256, HasTheDigestsOfTheStandard) {
  Sha256 hasher;
  EXPECT_EQ(hasher.finish_hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  hasher.update(bytes_of("abc"));
  EXPECT_EQ(hasher.finish_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string thousand(1000, 'a');
  for (int i = 0; i < 1000; ++i) {
    hasher.update(bytes_of(thousand));
  }
  EXPECT_EQ(hasher.finish_hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha1, HasTheDigestsOfTheStandard) {
  Sha1 hasher;
  EXPECT_EQ(hasher.finish_hex(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  hasher.update(bytes_of("a"));
  hasher.update(bytes_of("bc"));
  EXPECT_EQ(hasher.finish_hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(Digest, ReadsWhatItWrites) {
  const Digest digest{0x0123456789ABCDEF, 0x00000000000000FF};
  EXPECT_EQ(to_hex(digest), "0123456789abcdef00000000000000ff");
  EXPECT_EQ(parse_digest(to_hex(digest)), digest);
  EXPECT_EQ(parse_digest("0123456789ABCDEF00000000000000FF"), digest);
}

TEST(Digest, RefusesAnythingElse) {
  for (const std::string_view text :
       {"", "0", "0123456789abcdef00000000000000f", "0123456789abcdef00000000000000ff0",
        "0x23456789abcdef00000000000000ff", "-123456789abcdef00000000000000ff", "0123456789abcdeg00000000000000ff",
        "0123456789abcdef 0000000000000ff", "0123456789abcdef+0000000000000ff"}) {
    EXPECT_FALSE(parse_digest(text)) << text;
  }
}

TEST(ParallelFor, DoesEveryIndexOnce) {
  std::vector<std::atomic<int>> done(1000);
  std::atomic<bool> worker_is_valid = true;
  const auto work = [&](std::size_t index, std::size_t worker) {
    ++done[index];
    worker_is_valid = worker_is_valid && worker < worker_count();
    return ok_status();
  };
  EXPECT_THAT(parallel_for(done.size(), work), IsOk());
  EXPECT_TRUE(worker_is_valid);
  for (const auto& count : done) {
    EXPECT_EQ(count, 1);
  }
  EXPECT_THAT(parallel_for(0, work), IsOk());
}

TEST(ParallelFor, AnExceptionIsAnError) {
  EXPECT_THAT(parallel_for(8, [](std::size_t, std::size_t) -> Status { throw std::bad_alloc(); }),
              FailsWith(ErrorCode::kIo, "out of memory"));
  EXPECT_THAT(parallel_for(8, [](std::size_t, std::size_t) -> Status { throw std::logic_error("a bug"); }),
              FailsWith(ErrorCode::kIo, "internal error: a bug"));
}

TEST(ParallelFor, StopsAtTheFirstError) {
  std::atomic<std::size_t> calls = 0;
  const auto work = [&](std::size_t index, std::size_t) {
    ++calls;
    return index >= 10 ? Status(Error{ErrorCode::kIo, "broken"}) : ok_status();
  };
  EXPECT_THAT(parallel_for(1'000'000, work), FailsWith(ErrorCode::kIo, "broken"));
  EXPECT_LT(calls, 100U);
}

}  // namespace
}  // namespace mtpgraft
