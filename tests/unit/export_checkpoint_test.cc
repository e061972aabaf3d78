#include "donor/export_checkpoint.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <set>

#include "donor/safetensors.h"
#include "donor/tensor_reader.h"
#include "gguf/dequantize.h"
#include "gguf/serialize.h"
#include "gguf/tensor_types.h"
#include "matchers.h"
#include "model/architectures.h"
#include "model/mapping.h"
#include "models.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/job.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

// Some fixtures of quantised matrices have a part of a head only.
std::vector<fs::path> converted_heads() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(fs::path(FIXTURES_DIR) / "checkpoints")) {
    const auto& path = entry.path();
    if (path.extension() == ".gguf" && find_head(parse_model(path.string(), read_bytes(path)).gguf).problems.empty()) {
      paths.push_back(path);
    }
  }
  return paths;
}

// How these were in the checkpoint is not told by a GGUF: by what norms were multiplied, which rows are rotated, what
// the blocks of a head share.
const std::set<std::string> kRefused{"dots3note", "dots3note-rescaled",   "exaone45-shared",
                                     "glm-ocr",   "glm-ocr-half-rotated", "k-exaone"};

Bytes bytes_of(const ReadableFile& file, std::uint64_t offset, std::uint64_t length) {
  Bytes bytes(length);
  EXPECT_THAT(file.read_at(offset, bytes), IsOk());
  return bytes;
}

// Names, types, shapes and data of the tensors in their order, then the architecture's keys by name.
std::vector<std::string> everything_in(const ReadableFile& file) {
  auto gguf = parse_gguf(file);
  EXPECT_THAT(gguf, IsOk());
  std::vector<std::string> lines;
  for (const auto& tensor : gguf.value().tensors) {
    const auto data = bytes_of(file, tensor.offset, tensor.size_bytes);
    lines.push_back(fmt::format("{} {} {} [{}] {}", tensor.name, tensor_type_name(tensor.type), tensor.n_dims,
                                fmt::join(tensor.shape, ", "),
                                std::string(reinterpret_cast<const char*>(data.data()), data.size())));
  }
  std::set<std::string> keys;
  for (const auto& item : gguf.value().keys) {
    const auto& bytes = item.value.bytes;
    keys.insert(fmt::format("{} {} {} {}", item.key, static_cast<int>(item.value.type),
                            static_cast<int>(item.value.element_type),
                            std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())));
  }
  lines.insert(lines.end(), keys.begin(), keys.end());
  return lines;
}

class ExportTest : public testing::Test {
 protected:
  Result<Job> extract_to(const std::string& donor, const std::string& head_type = {}) {
    return extract(
        {.donor = {.path = donor, .head_type = head_type}, .output = {.path = out(), .overwrite = Overwrite::kYes}},
        {*files_});
  }
  [[nodiscard]] std::string out() const { return dir_.path("mtp.safetensors"); }
  Result<CheckpointHead> open_again(const CheckpointOptions& options = {}) {
    return open_checkpoint(out(), options, *files_);
  }

  TempDir dir_;
  std::unique_ptr<FileSystem> files_ = make_file_system();
};

TEST_F(ExportTest, EveryFamilysHeadComesBackAsItWas) {
  int count = 0;
  std::set<std::string> refused;
  for (const auto& path : converted_heads()) {
    SCOPED_TRACE(path.stem().string());
    const auto extracted = extract_to(path.string());
    if (!extracted.ok()) {
      EXPECT_EQ(extracted.error().code, ErrorCode::kUnsupported) << describe(extracted.error());
      refused.insert(path.stem().string());
      continue;
    }
    ++count;
    const auto again = open_again();
    ASSERT_THAT(again, IsOk());
    const auto model = parse_model(path.string(), read_bytes(path));
    EXPECT_EQ(everything_in(*again.value().file), everything_in(*model.file));
  }
  EXPECT_GE(count, 30);
  EXPECT_THAT(refused, testing::UnorderedElementsAreArray(kRefused));
}

// Models with other modalities put them differently.
std::string without_prefixes(std::string_view name) {
  for (const std::string_view prefix : {"model.", "language_model.", "model."}) {
    name.remove_prefix(name.starts_with(prefix) ? prefix.size() : 0);
  }
  return std::string(name);
}

std::map<std::string, std::string> values_in(const ReadableFile& file) {
  std::map<std::string, std::string> values;
  const auto tensors = parse_safetensors(file);
  EXPECT_THAT(tensors, IsOk());
  for (const auto& tensor : tensors.value()) {
    const auto type = tensor_type_id(tensor.dtype);
    auto floats = type ? dequantize(*type, bytes_of(file, tensor.offset, tensor.size_bytes)) : std::nullopt;
    for (std::size_t i = 0; floats && i < floats->size(); ++i) {
      (*floats)[i] += 0.0F;  // -0 and 0 are the same w
    }
    values[without_prefixes(tensor.name)] =
        fmt::format("[{}] {}", fmt::join(tensor.shape, ", "), fmt::join(floats.value_or(std::vector<float>()), " "));
  }
  return values;
}

bool is_plain_tensor(const SafetensorsTensor& tensor) { return is_plain_float(tensor.dtype); }

// The fixtures' checkpoints are in the names and shapes in which such models are published.
TEST_F(ExportTest, WritesTheTensorsOfThePublishedCheckpoint) {
  const std::set<std::string> other_forms{
      "qwen35-dense-no-count", "qwen35-dense-nested",          "qwen35-dense-shifted", "qwen35moe-experts",
      "mimo2-separate",        "cohere2moe-one-shared-expert", "nemotron3-super",      "qwen38-flash-experts"};
  int count = 0;
  for (const auto& path : converted_heads()) {
    const auto folder = fs::path(path).replace_extension();
    const auto name = path.stem().string();
    std::map<std::string, std::string> published;
    bool is_plain = true;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".safetensors") {
        const MemoryFile file(entry.path().string(), read_bytes(entry.path()));
        is_plain = is_plain && std::ranges::all_of(parse_safetensors(file).value(), is_plain_tensor);
        published.merge(values_in(file));
      }
    }
    if (!is_plain || other_forms.contains(name) || kRefused.contains(name)) {
      continue;
    }
    SCOPED_TRACE(name);
    ++count;
    ASSERT_THAT(extract_to(path.string()), IsOk());
    const MemoryFile written(out(), read_bytes(out()));
    for (const auto& [tensor, values] : values_in(written)) {
      EXPECT_TRUE(published.contains(tensor) && values == published[tensor]) << tensor;
    }
  }
  EXPECT_GE(count, 10);
}

// A transform without an inverse could be read and never written.
TEST(WrittenNames, EveryRuleOfEveryFamilyLeadsBack) {
  for (const auto& family : families()) {
    SCOPED_TRACE(std::string(family.architecture));
    std::set<std::string_view> written_once;
    for (const auto& rules : family.rules) {
      for (const auto& rule : rules) {
        SCOPED_TRACE(std::string(rule.name));
        // Of several rules for one tensor the first is written.
        if (!has_inverse(rule.transform) || rule.transform == Transform::kLeaveOut ||
            !written_once.insert(rule.gguf_name).second) {
          continue;
        }
        const bool is_whole = rule.gguf_name.ends_with(".weight") || rule.gguf_name.ends_with(".bias");
        const auto name = std::string(rule.gguf_name) + (is_whole ? "" : ".weight");
        const auto second = second_name(rule.transform, name);
        std::vector<BlockTensorName> tensors{{7, name}};
        if (!second.empty()) {
          tensors.push_back({7, second});
        }
        auto written = map_back(family, tensors, 7);
        ASSERT_THAT(written, IsOk());
        std::vector<std::string> names;
        for (auto& tensor : written.value()) {
          const auto star = tensor.name.find('*');
          names.push_back(star == std::string::npos ? tensor.name : tensor.name.replace(star, 1, "0"));
        }
        const auto read = map_head(family, names, 7);
        ASSERT_THAT(read, IsOk());
        ASSERT_EQ(read.value().size(), names.size());
        for (const auto& source : read.value()) {
          EXPECT_EQ(source.gguf_name, name);
          EXPECT_EQ(source.block, 0U);
        }
      }
    }
  }
}

TEST_F(ExportTest, NormThatIsNoSumWithOneIsNamed) {
  auto bytes = read_bytes(model_path(kDonor));
  const auto model = parse_model("donor.gguf", bytes);
  const auto* norm = model.gguf.find_tensor("blk.8.nextn.enorm.weight");
  ASSERT_NE(norm, nullptr);
  const float tiny = 1e-20F;
  std::memcpy(&bytes[norm->offset + 5 * sizeof(float)], &tiny, sizeof(tiny));
  const auto changed = dir_.path("donor.gguf");
  std::ofstream(changed, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  EXPECT_THAT(extract_to(changed),
              FailsWith(ErrorCode::kIncompatible, "'blk.8.nextn.enorm.weight', element 5: 1e-20 is no 1 + w"));
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(ExportTest, NormsWithoutTheOneAreRefused) {
  EXPECT_THAT(extract_to(model_path("donor-norms-unshifted").string()),
              FailsWith(ErrorCode::kIncompatible, "not all 1 + w"));
}

TEST_F(ExportTest, QuantisedHeadIsDequantisedOnlyIfThatIsAsked) {
  const auto donor = model_path("mtp-base-8L-Q8_0").string();
  const auto refused = extract_to(donor);
  ASSERT_THAT(refused, FailsWith(ErrorCode::kIncompatible, "has type Q8_0, and checkpoints have F32, F16 or BF16"));
  EXPECT_EQ(refused.error().remedy, Remedy::kDequantise);
  for (const auto* type : {"bf16", "f16", "f32"}) {
    SCOPED_TRACE(type);
    ASSERT_THAT(extract_to(donor, type), IsOk());
    const auto again = open_again();
    ASSERT_THAT(again, IsOk());
    const auto gguf = parse_gguf(*again.value().file);
    ASSERT_THAT(gguf, IsOk());
    const auto* matrix = gguf.value().find_tensor("blk.8.ffn_up.weight");
    ASSERT_NE(matrix, nullptr);
    EXPECT_EQ(matrix->type, *tensor_type_id(type));
  }
  EXPECT_THAT(extract_to(donor, "q8_0"), FailsWith(ErrorCode::kUsage, "q8_0: a .safetensors file has f32"));
}

TEST_F(ExportTest, ToGgufAQuantisedHeadStaysAsItIs) {
  const auto donor = model_path("mtp-base-8L-Q8_0").string();
  EXPECT_THAT(
      extract({.donor = {.path = donor, .head_type = "bf16"}, .output = {.path = dir_.path("x.gguf")}}, {*files_}),
      FailsWith(ErrorCode::kIncompatible, "only F32, F16 and BF16 can become BF16"));
}

// Whoever adds the 1 to a file and keeps what it says of itself must not get a second one, or none.
TEST_F(ExportTest, ContradictionAboutTheOneIsAskedAbout) {
  ASSERT_THAT(extract_to(model_path(kDonor).string()), IsOk());
  auto bytes = read_bytes(out());
  const MemoryFile file(out(), bytes);
  const auto tensors = parse_safetensors(file);
  ASSERT_THAT(tensors, IsOk());
  for (const auto& tensor : tensors.value()) {
    if (tensor.name.ends_with("norm.weight")) {
      ASSERT_EQ(tensor.dtype, "BF16");
      for (std::uint64_t at = tensor.offset; at < tensor.offset + tensor.size_bytes; at += 2) {
        const std::uint16_t one = 0x3F80;
        std::memcpy(&bytes[at], &one, sizeof(one));
      }
    }
  }
  std::ofstream(out(), std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  EXPECT_THAT(open_again(), FailsWith(ErrorCode::kIncompatible, "the file says of itself that 1 is to be added"));
  EXPECT_THAT(open_again({.architecture = {}, .norm_offset = 0}), IsOk());
}

TEST_F(ExportTest, UnknownFamilyNamesTheArchitectureAndThoseThatAreKnown) {
  auto donor = load_model(kDonor);
  donor.gguf.keys.front().value = string_value("llama");
  const auto exported = export_checkpoint(share(*donor.file), donor.gguf, head_data_of(load_model(kDonor)), {});
  ASSERT_FALSE(exported.ok());
}

// A published mtp.safetensors has no config.json beside it; the sizes of the latent attention are the target's.
TEST_F(ExportTest, TargetsKeysTellHowLatentAttentionIsCut) {
  const auto path = fs::path(FIXTURES_DIR) / "checkpoints" / "glm47flash.gguf";
  const auto model = parse_model(path.string(), read_bytes(path));
  const auto sizes = read_head_sizes(model.gguf);
  EXPECT_EQ(sizes.latent_heads, 5U);
  EXPECT_EQ(sizes.unrotated_key_width, 12U);
  EXPECT_EQ(sizes.value_width, 14U);
  EXPECT_EQ(read_head_sizes(load_model(kTarget).gguf).latent_heads, 0U);
}

}  // namespace
}  // namespace mtpgraft
