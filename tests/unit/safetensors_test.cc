// What the format's reference implementation refuses, the reader does too.
#include "donor/safetensors.h"

#include <fmt/core.h>

#include "matchers.h"
#include "safetensors_builder.h"

namespace mtpgraft {
namespace {

Result<std::vector<SafetensorsTensor>> parse(const Bytes& bytes) {
  return parse_safetensors(MemoryFile("x.safetensors", bytes));
}

Result<std::vector<SafetensorsTensor>> parse(std::string_view header, std::size_t data_bytes) {
  return parse(safetensors_of(header, data_bytes));
}

// Of a file with the one tensor "a".
std::string one_tensor(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return fmt::format(R"({{"a":{{"dtype":"{}","shape":{},"data_offsets":{}}}}})", dtype, shape, offsets);
}

TEST(Safetensors, TellsNamesTypesShapesAndPlaces) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F8_E4M3","shape":[2,3],"data_offsets":[4,10]},)"
      R"("a":{"data_offsets":[0,4],"shape":[1,2],"dtype":"BF16"},"c":{"dtype":"F32","shape":[],"data_offsets":[10,14]}}  )";
  const auto tensors = parse(header, 14);
  ASSERT_THAT(tensors, IsOk());
  ASSERT_EQ(tensors.value().size(), 3U);
  const auto& [a, b] = std::tie(tensors.value()[0], tensors.value()[1]);
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.dtype, "BF16");
  EXPECT_THAT(a.shape, testing::ElementsAre(1, 2));
  EXPECT_EQ(a.offset, 8 + header.size());
  EXPECT_EQ(b.dtype, "F8_E4M3");
  EXPECT_EQ(b.offset, a.offset + 4);
  EXPECT_EQ(b.size_bytes, 6U);
  EXPECT_EQ(tensors.value()[2].name, "c");
}

// The sizes are those of the format's own library. 8 elements have as many bytes as one has bits.
TEST(Safetensors, KnowsTheSizeOfEveryType) {
  constexpr auto kBits = std::to_array<std::pair<std::string_view, std::size_t>>(
      {{"BOOL", 8},        {"F4", 4},          {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},
       {"F8_E5M2", 8},     {"F8_E4M3", 8},     {"F8_E8M0", 8}, {"I16", 16},    {"U16", 16}, {"F16", 16},
       {"BF16", 16},       {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64}, {"F64", 64},
       {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I64", 64},    {"U64", 64}});
  for (const auto& [dtype, bits] : kBits) {
    SCOPED_TRACE(dtype);
    EXPECT_THAT(parse(one_tensor(dtype, "[2,4]", fmt::format("[0,{}]", bits)), bits), IsOk());
    for (const auto other : {bits - 1, bits + 1}) {
      EXPECT_THAT(parse(one_tensor(dtype, "[2,4]", fmt::format("[0,{}]", other)), other),
                  FailsWith(ErrorCode::kMalformed, "do not make"));
    }
  }
}

TEST(Safetensors, TakesEmptyFilesAndEmptyTensors) {
  EXPECT_THAT(parse("{}", 0), IsOk());
  EXPECT_THAT(parse(one_tensor("F32", "[0,7]", "[0,0]"), 0), IsOk());
}

TEST(Safetensors, RefusesHeadersThatAreNone) {
  const auto refuses = [](const Bytes& bytes, const std::string& part) {
    EXPECT_THAT(parse(bytes), FailsWith(ErrorCode::kMalformed, part));
  };
  refuses(Bytes(7), "nothing but zeros");
  refuses(Bytes(7, std::byte{1}), "7 bytes, too few");
  auto bytes = safetensors_of("{}", 0);
  bytes[0] = std::byte{3};
  refuses(bytes, "declares a header of 3 bytes");
  bytes[7] = std::byte{0xFF};
  refuses(bytes, "declares a header of");
  refuses(safetensors_of("", 0), "not a JSON object");
  refuses(safetensors_of(" {}", 0), "not a JSON object");
  refuses(safetensors_of("[]", 0), "not a JSON object");
  refuses(safetensors_of("{", 0), "is not JSON");
  refuses(safetensors_of("{} {}", 0), "is not JSON");
  refuses(safetensors_of(std::string_view("{}\0x", 4), 0), "not a JSON object");
  refuses(safetensors_of("{\"\xFF\":{}}", 0), "is not JSON");
  refuses(safetensors_of("version https://git-lfs.github.com/spec/v1", 0), "not a JSON object");
}

TEST(Safetensors, NamesGitLfsPointers) {
  constexpr std::string_view kPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
  Bytes bytes(kPointer.size());
  std::memcpy(bytes.data(), kPointer.data(), kPointer.size());
  const auto result = parse(bytes);
  EXPECT_THAT(result, FailsWith(ErrorCode::kMalformed, "Git LFS pointer"));
  EXPECT_THAT(result.error().hint, testing::StartsWith("git lfs pull"));
}

TEST(Safetensors, NeedsHeadersNoLongerThanTheFormatAllows) {
  // More than 100,000,000 bytes, in a file that could have them.
  class Sparse final : public ReadableFile {
   public:
    [[nodiscard]] const std::string& path() const override { return path_; }
    [[nodiscard]] std::uint64_t size() const override { return 1ULL << 40; }
    Status read_at(std::uint64_t, std::span<std::byte> out) const override {
      const std::uint64_t length = 100'000'001;
      EXPECT_LE(out.size(), 4096U);
      std::memcpy(out.data(), &length, sizeof length);
      return ok_status();
    }
    [[nodiscard]] Status check_unchanged() const override { return ok_status(); }
    [[nodiscard]] std::uint64_t stored_bytes() const override { return 0; }

   private:
    std::string path_ = "sparse.safetensors";
  };
  EXPECT_THAT(parse_safetensors(Sparse()), FailsWith(ErrorCode::kMalformed, "100000001"));
}

TEST(Safetensors, RefusesWhatStandsTwice) {
  const std::string a = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_THAT(parse("{" + a + "," + a + "}", 1), FailsWith(ErrorCode::kMalformed, "'a': stands twice"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
              FailsWith(ErrorCode::kMalformed, "'a': 'dtype' stands twice"));
  EXPECT_THAT(parse(R"({"__metadata__":{},"__metadata__":{}})", 0), FailsWith(ErrorCode::kMalformed, "stands twice"));
}

TEST(Safetensors, RefusesTensorsThatAreNotDescribed) {
  const auto refuses = [](std::string_view header, const std::string& part) {
    SCOPED_TRACE(header);
    EXPECT_THAT(parse(header, 4), FailsWith(ErrorCode::kMalformed, part));
  };
  refuses(R"({"a":{"dtype":"F32","shape":[1]}})", "lacks");
  refuses(R"({"a":{}})", "lacks");
  refuses(R"({"a":4})", "not expected");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}})", "unknown field 'more'");
  refuses(R"({"__metadata__":{"n":1}})", "'__metadata__'");
  refuses(R"({"__metadata__":{"n":{}}})", "'__metadata__'");
  refuses(one_tensor("F33", "[1]", "[0,4]"), "dtype 'F33' is unknown");
  refuses(one_tensor("F32", "[-1]", "[0,4]"), "a negative number");
  refuses(one_tensor("F32", "[1.0]", "[0,4]"), "a fraction");
  refuses(one_tensor("F32", "[[1]]", "[0,4]"), "an array");
  refuses(one_tensor("F32", "[null]", "[0,4]"), "null");
  refuses(one_tensor("F32", "1", "[0,4]"), "a number");
  refuses(one_tensor("F32", "[\"1\"]", "[0,4]"), "a string");
  refuses(one_tensor("F32", "[18446744073709551616]", "[0,4]"), "a fraction");
}

TEST(Safetensors, RefusesDataThatAreNotOneAfterTheOtherToTheEnd) {
  const auto refuses = [](std::string_view header, std::size_t data_bytes, const std::string& part) {
    SCOPED_TRACE(header);
    const auto result = parse(header, data_bytes);
    ASSERT_THAT(result, FailsWith(ErrorCode::kMalformed, part));
    EXPECT_LE(*result.error().offset, 8 + header.size() + data_bytes);
  };
  const auto two = [](std::string_view first, std::string_view second) {
    return fmt::format(R"({{"a":{{"dtype":"U8","shape":[2],"data_offsets":{}}},)"
                       R"("b":{{"dtype":"U8","shape":[2],"data_offsets":{}}}}})",
                       first, second);
  };
  EXPECT_THAT(parse(two("[2,4]", "[0,2]"), 4), IsOk());
  refuses(two("[0,2]", "[1,3]"), 4, "'b' is not where");
  refuses(two("[0,2]", "[0,2]"), 2, "is not where");
  refuses(two("[0,2]", "[3,5]"), 5, "'b' is not where");
  refuses(one_tensor("U8", "[2]", "[1,3]"), 3, "'a' is not where");
  refuses(one_tensor("U8", "[2]", "[0,2]"), 1, "not inside the file");
  refuses(one_tensor("U8", "[2]", "[2,0]"), 2, "'a' is not where");
  refuses(one_tensor("U8", "[2]", "[0]"), 2, "'a' is not where");
  refuses(one_tensor("U8", "[2]", "[0,1,2]"), 2, "'a' is not where");
  refuses(one_tensor("U8", "[2]", "[0,2]"), 3, "tensors end at");
  refuses("{}", 1, "tensors end at");
}

TEST(Safetensors, RefusesSizesThatShapesDoNotMake) {
  const auto refuses = [](const std::string& header, std::size_t data_bytes) {
    SCOPED_TRACE(header);
    EXPECT_THAT(parse(header, data_bytes), FailsWith(ErrorCode::kMalformed, "do not make"));
  };
  refuses(one_tensor("F32", "[2]", "[0,4]"), 4);
  refuses(one_tensor("F32", "[]", "[0,8]"), 8);
  refuses(one_tensor("F4", "[3]", "[0,1]"), 1);
  refuses(one_tensor("U8", "[4294967296,4294967296]", "[0,0]"), 0);
  refuses(one_tensor("F32", "[4611686018427387905]", "[0,4]"), 4);
  EXPECT_THAT(parse(one_tensor("F4", "[4]", "[0,2]"), 2), IsOk());
}

}  // namespace
}  // namespace mtpgraft
