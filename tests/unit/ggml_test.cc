// Against a real ggml, whose library or directory is in $MTPGRAFT_GGML.
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <thread>

#include "convert.h"
#include "donor/ggml_library.h"
#include "gguf/dequantize.h"
#include "gguf/quantize.h"
#include "gguf/tensor_types.h"
#include "gguf/value_scan.h"
#include "matchers.h"
#include "mtpgraft/head.h"
#include "temp_dir.h"
#include "util/dynamic_library.h"

namespace mtpgraft {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRowLength = 256;

GgmlLibrary load() {
  auto library = GgmlLibrary::load("");
  if (!library.ok()) {
    throw std::runtime_error(describe(library.error()));
  }
  return std::move(library).value();
}

Bytes by_ggml(const TensorType& type, std::span<const float> values, std::size_t row_length) {
  static const auto library = load();
  Bytes bytes(values.size() / type.block_elements * type.block_bytes);
  EXPECT_THAT(library.quantize(type, values, row_length, bytes), IsOk());
  return bytes;
}

void expect_same_as_ggml(std::span<const float> values) {
  for (const auto* name : {"F16", "BF16", "Q8_0"}) {
    const auto& type = *find_tensor_type(std::string_view(name));
    Bytes bytes(values.size() / type.block_elements * type.block_bytes);
    quantize(type.id, values, bytes);
    const auto expected = by_ggml(type, values, kRowLength);
    const auto [ours, theirs] = std::ranges::mismatch(bytes, expected);
    ASSERT_EQ(ours, bytes.end()) << name << " differs at byte " << ours - bytes.begin();
  }
}

// Rows of values that `make` gives.
template <class Make>
std::vector<float> rows(std::size_t count, Make make) {
  std::mt19937 random(7);
  std::vector<float> values(count * kRowLength);
  std::ranges::generate(values, [&] { return make(random); });
  return values;
}

TEST(Ggml, MakesTheSameOfWeights) {
  std::normal_distribution<float> weights(0, 0.02F);
  expect_same_as_ggml(rows(20'000, [&](auto& random) { return weights(random); }));
}

TEST(Ggml, MakesTheSameOfAnyFiniteBits) {
  expect_same_as_ggml(rows(20'000, [](auto& random) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    return std::isfinite(value) ? value : 0;
  }));
}

TEST(Ggml, MakesTheSameOfEveryMagnitude) {
  // Blocks whose values are of one magnitude, from the smallest denormals to the largest numbers.
  std::size_t count = 0;
  expect_same_as_ggml(rows(20'000, [&](auto& random) {
    const auto exponent = static_cast<int>(count++ / 32 % 277) - 149;
    return std::ldexp(static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 1000, exponent);
  }));
}

TEST(Ggml, MakesTheSameOfZeros) {
  expect_same_as_ggml(rows(3, [](auto& random) { return random() % 2 == 0 ? 0.0F : -0.0F; }));
}

TEST(Ggml, MakesTheSameOfTiesAndTheirNeighbours) {
  // The first of each block makes its scale 1 or a power of two; the others are n + 1/2, or next to that.
  std::size_t count = 0;
  float scale = 1;
  expect_same_as_ggml(rows(20'000, [&](auto& random) {
    if (count++ % 32 == 0) {
      scale = std::ldexp(1.0F, static_cast<int>(random() % 60) - 40);
      return 127 * scale;
    }
    const auto tie = (static_cast<float>(static_cast<int>(random() % 254) - 127) + 0.5F) * scale;
    const auto toward = std::numeric_limits<float>::infinity() * static_cast<float>(static_cast<int>(random() % 3) - 1);
    return std::isnan(toward) ? tie : std::nextafter(tie, toward);
  }));
  // And half way between two F16 and two BF16 numbers.
  expect_same_as_ggml(rows(20'000, [](auto& random) {
    const auto near = static_cast<std::uint32_t>(random() % 3) - 1;
    const auto half_bit = random() % 2 == 0 ? 0x1000U : 0x8000U;
    const auto bits = (static_cast<std::uint32_t>(random()) & ~(2 * half_bit - 1)) + half_bit + near;
    const auto value = std::bit_cast<float>(bits);
    return std::isfinite(value) ? value : 1;
  }));
}

TEST(Ggml, F16AndBf16TakeNansAsItDoes) {
  for (const std::uint32_t bits : {0x7FC00000U, 0xFFC00000U, 0x7F800001U, 0xFFFFFFFFU, 0x7FABCDEFU, 0x7F800000U}) {
    const std::vector<float> row(kRowLength, std::bit_cast<float>(bits));
    for (const auto id : {tensor_type::kF16, tensor_type::kBF16}) {
      Bytes bytes(row.size() * 2);
      quantize(id, row, bytes);
      EXPECT_TRUE(bytes == by_ggml(*find_tensor_type(id), row, kRowLength)) << bits;
    }
  }
}

// ggml_validate_row_data() looks at the scales of each type.
TEST(Ggml, HasTheScalesOfBlocksWhereWeHaveThem) {
  const auto handle = load_library(load().path());
  ASSERT_THAT(handle, IsOk());
  auto* const validate = reinterpret_cast<bool (*)(int, const void*, std::size_t)>(
      find_in_library(handle.value(), "ggml_validate_row_data"));
  ASSERT_NE(validate, nullptr);
  for (const auto& layout : block_layouts()) {
    SCOPED_TRACE(tensor_type_name(layout.type));
    const auto block_bytes = find_tensor_type(layout.type)->block_bytes;
    const auto is_sound = [&](const Bytes& block) {
      return validate(static_cast<int>(layout.type), block.data(), block.size());
    };
    // It takes each byte of NVFP4's and does not know Q8_1; of mins it knows those that are no sums.
    if (layout.format == ScaleFormat::kUE4M3 || layout.type == 9) {
      continue;
    }
    const ScannedType type{&layout, block_bytes};
    for (std::size_t at = 0; at + 1 < block_bytes; ++at) {
      Bytes block(block_bytes, std::byte{0x3C});
      block[at] = std::byte{0xFF};
      block[at + 1] = std::byte{0xFF};
      EXPECT_EQ(is_sound(block), !scan_piece(type, block).not_finite) << "byte " << at;
    }
  }
}

// What `donor`'s head must be: each matrix given to ggml as a whole.
void expect_matrices_as_ggml_makes_them(const Model& converted, const Model& donor, const TensorType& type) {
  std::size_t count = 0;
  for (const auto index : find_head(donor.gguf).tensors) {
    const auto& source = donor.gguf.tensors[index];
    const auto& tensor = converted.gguf.tensors[index];
    if (source.is_vector()) {
      continue;
    }
    ++count;
    ASSERT_EQ(tensor.type, type.id) << tensor.name;
    const auto values = dequantize(source.type, tensor_data(donor, source)).value();
    EXPECT_TRUE(std::ranges::equal(by_ggml(type, values, source.shape[0]), tensor_data(converted, tensor)))
        << tensor.name;
  }
  EXPECT_EQ(count, 8U);
}

class GgmlType : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Ggml, GgmlType,
                         testing::Values("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
                                         "IQ4_NL", "IQ4_XS", "IQ3_S", "TQ1_0", "TQ2_0", "MXFP4", "Q1_0", "Q2_0"),
                         [](const auto& test) { return test.param; });

TEST_P(GgmlType, HeadsAreWhatGgmlMakesOfWholeMatrices) {
  const auto donor = load_model(kDonor);
  const auto converted = convert(donor, GetParam());
  EXPECT_NE(converted.ggml_version, "");
  EXPECT_TRUE(converted.ggml_path.ends_with("libggml-base.so")) << converted.ggml_path;
  EXPECT_TRUE(converted.warnings.empty());
  const auto model = read_model(*converted.file);
  expect_matrices_as_ggml_makes_them(model, donor, *find_tensor_type(std::string_view(GetParam())));
  EXPECT_TRUE(read_in_odd_pieces(*converted.file, 100'000) == model.bytes());
  EXPECT_THAT(try_plan(load_model(kTarget), model), IsOk());
}

TEST(Ggml, ManyThreadsReadTheSame) {
  const auto converted = convert(load_model(kDonor), "Q4_K");
  const auto whole = read_whole(*converted.file);
  std::vector<Bytes> read(4);
  {
    std::vector<std::jthread> threads;
    for (auto& bytes : read) {
      threads.emplace_back([&] { bytes = read_in_odd_pieces(*converted.file, 300'000); });
    }
  }
  for (const auto& bytes : read) {
    EXPECT_TRUE(bytes == whole);
  }
}

TEST(Ggml, TypesThatItCannotMakeAreRefused) {
  const auto library = load();
  const auto& q4 = *find_tensor_type(std::string_view("Q4_K"));
  EXPECT_THAT(library.prepare(q4), IsOk());
  EXPECT_THAT(library.prepare(*find_tensor_type(std::string_view("IQ2_XS"))),
              FailsWith(ErrorCode::kUsage, "importance matrix"));
  EXPECT_THAT(library.prepare(*find_tensor_type(std::string_view("IQ4_K"))),
              FailsWith(ErrorCode::kUnsupported, "has no quantize_iq4_K"));
  auto other_id = q4;
  other_id.id = 13;
  EXPECT_THAT(library.prepare(other_id), FailsWith(ErrorCode::kUnsupported, "calls the type 13 'q5_K', not Q4_K"));
  auto other_block = q4;
  other_block.block_bytes = 148;
  EXPECT_THAT(
      library.prepare(other_block),
      FailsWith(ErrorCode::kUnsupported, "Q4_K has blocks of 256 values in 144 bytes; expected are 256 in 148"));
}

TEST(Ggml, IsFoundBesideTheLlamaServerOnPath) {
  const TempDir dir;
  const fs::path library = load().path();
  for (const auto* name : {"same/llama-server", "installed/bin/llama-server"}) {
    fs::create_directories(fs::path(dir.path(name)).parent_path());
    std::ofstream(dir.path(name)).flush();
    fs::permissions(dir.path(name), fs::perms::owner_all);
  }
  fs::create_directories(dir.path("installed/lib"));
  fs::create_directories(dir.path("links"));
  fs::create_symlink(library, dir.path("same/libggml-base.so"));
  fs::create_symlink(library, dir.path("installed/lib/libggml-base.so.0"));
  fs::create_symlink("../installed/bin/llama-server", dir.path("links/llama-server"));
  const EnvironmentVariable given("MTPGRAFT_GGML", nullptr);
  const auto found_by = [&](const std::string& directory) {
    const EnvironmentVariable path("PATH", ("/nowhere:" + dir.path(directory)).c_str());
    return load().path();
  };
  EXPECT_EQ(found_by("same"), dir.path("same/libggml-base.so"));
  EXPECT_EQ(found_by("installed/bin"), dir.path("installed/lib/libggml-base.so.0"));
  EXPECT_EQ(found_by("links"), dir.path("installed/lib/libggml-base.so.0"));
  // A file of that name that cannot be run is no llama.cpp's.
  fs::permissions(dir.path("same/llama-server"), fs::perms::owner_read);
  EXPECT_NE(found_by("same"), dir.path("same/libggml-base.so"));
}

TEST(Ggml, AWrongPathIsNotMadeUpForByAnother) {
  EXPECT_THAT(try_convert(load_model(kDonor), "Q4_K", "/nowhere"), FailsWith(ErrorCode::kIo, "No such file"));
}

}  // namespace
}  // namespace mtpgraft
