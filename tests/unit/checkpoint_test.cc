#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <span>

#include "matchers.h"
#include "models.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/head.h"
#include "safetensors_builder.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const fs::path kBundled = fs::path(MODELS_DIR) / "hf-base-8L";

Result<CheckpointHead> open_head(const fs::path& path, const CheckpointOptions& options = {}) {
  const auto files = make_file_system();
  return open_checkpoint(path.string(), options, *files);
}

GgufFile parse_head(const CheckpointHead& head) {
  auto gguf = parse_gguf(*head.file);
  if (!gguf.ok()) {
    throw std::runtime_error(describe(gguf.error()));
  }
  return std::move(gguf).value();
}

Bytes read_tensor(const ReadableFile& file, const TensorInfo& tensor) {
  Bytes bytes(tensor.size_bytes);
  EXPECT_THAT(file.read_at(tensor.offset, bytes), IsOk());
  return bytes;
}

struct Tensor {
  std::string type_and_shape;
  Bytes bytes;
};

std::map<std::string, Tensor> head_tensors(const ReadableFile& file, const GgufFile& gguf) {
  std::map<std::string, Tensor> tensors;
  for (const auto& tensor : gguf.tensors) {
    if (tensor.name.starts_with("blk.") || tensor.name.starts_with("output_hc_")) {
      tensors[tensor.name] = {fmt::format("{} [{}] in {} dimensions", tensor_type_name(tensor.type),
                                          fmt::join(tensor.shape, ", "), tensor.n_dims),
                              read_tensor(file, tensor)};
    }
  }
  return tensors;
}

void expect_same_head(const fs::path& checkpoint, const fs::path& expected_path) {
  SCOPED_TRACE(checkpoint.string());
  const auto head = open_head(checkpoint);
  ASSERT_THAT(head, IsOk());
  const auto made = head_tensors(*head.value().file, parse_head(head.value()));
  const auto model = parse_model(expected_path.string(), read_bytes(expected_path));
  auto expected = head_tensors(*model.file, model.gguf);
  for (const auto& [name, tensor] : made) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(expected.contains(name)) << "not in " << expected_path;
    EXPECT_EQ(tensor.type_and_shape, expected[name].type_and_shape);
    EXPECT_TRUE(tensor.bytes == expected[name].bytes) << "other bytes";
    expected.erase(name);
  }
  EXPECT_TRUE(expected.empty()) << "lacks " << expected.begin()->first;
}

// Text, so that a failure says which key differs.
std::map<std::string, std::string> keys_of_architecture(const GgufFile& gguf) {
  std::map<std::string, std::string> keys;
  for (const auto& item : gguf.keys) {
    if (item.key.starts_with(fmt::format("{}.", gguf.architecture()))) {
      const auto& value = item.value;
      const auto bytes = std::span(reinterpret_cast<const unsigned char*>(value.bytes.data()), value.bytes.size());
      keys[item.key] = fmt::format("{} of {} {}: {:02x}", value_type_name(value.type), value.element_count,
                                   value_type_name(value.element_type), fmt::join(bytes, " "));
    }
  }
  return keys;
}

TEST(Checkpoint, HeadsOfAllFamiliesAreThoseOfTheConverter) {
  const fs::path folder = fs::path(FIXTURES_DIR) / "checkpoints";
  int count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".gguf") {
      ++count;
      expect_same_head(folder / entry.path().stem(), entry.path());
    }
  }
  EXPECT_GE(count, 1);
}

// Numbers of heads that slide or not, latent attention, widths of experts: what a graft extends arrays from, and what
// the head's dimensions are checked with.
TEST(Checkpoint, KeysOfAllFamiliesAreThoseOfTheConverter) {
  const fs::path folder = fs::path(FIXTURES_DIR) / "checkpoints";
  int count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".gguf") {
      ++count;
      SCOPED_TRACE(entry.path().stem().string());
      const auto head = open_head(folder / entry.path().stem());
      ASSERT_THAT(head, IsOk());
      const auto expected = parse_model(entry.path().string(), read_bytes(entry.path()));
      EXPECT_EQ(keys_of_architecture(parse_head(head.value())), keys_of_architecture(expected.gguf));
    }
  }
  EXPECT_GE(count, 15);
}

TEST(Checkpoint, RealHeadIsThatOfTheConvertersFile) { expect_same_head(kBundled, model_path(kDonor)); }

TEST(Checkpoint, KeysHaveTheTypesAndValuesOfTheConverter) {
  const auto head = open_head(kBundled);
  ASSERT_THAT(head, IsOk());
  const auto gguf = parse_head(head.value());
  EXPECT_EQ(gguf.keys.size(), 11U);
  const auto converted = load_model(kDonor);
  for (const auto& item : gguf.keys) {
    const auto* expected = converted.gguf.find_key(item.key);
    ASSERT_NE(expected, nullptr) << item.key;
    EXPECT_TRUE(item.same_value(*expected)) << item.key;
  }
}

Bytes read_all(const ReadableFile& file) {
  Bytes bytes(file.size());
  EXPECT_THAT(file.read_at(0, bytes), IsOk());
  return bytes;
}

TEST(Checkpoint, GraftIsThatOfTheConvertersFileAndWarnsOfNothing) {
  const auto head = open_head(kBundled);
  ASSERT_THAT(head, IsOk());
  const auto target = load_model(kTarget);
  const auto donor = parse_model("hf-base-8L", read_all(*head.value().file));
  EXPECT_EQ(find_head(donor.gguf).state, HeadState::kSidecar);
  const auto plan = make_plan(target, donor);
  EXPECT_THAT(plan.warnings, IsEmpty());
  const auto made = graft_model(target, donor);
  const auto converted = load_model(kDonor);
  const auto expected = graft_model(target, converted);
  for (const auto& [name, tensor] : head_tensors(*expected.file, expected.gguf)) {
    const auto* same = made.gguf.find_tensor(name);
    ASSERT_NE(same, nullptr) << name;
    EXPECT_TRUE(read_tensor(*made.file, *same) == tensor.bytes) << name;
  }
}

TEST(Checkpoint, MatricesAreTheCheckpointsOwnBytesAndNotRead) {
  const auto head = open_head(kBundled);
  ASSERT_THAT(head, IsOk());
  const auto gguf = parse_head(head.value());
  const auto& matrix = *gguf.find_tensor("blk.8.ffn_up.weight");
  const auto pieces = head.value().file->pieces({matrix.offset, matrix.size_bytes});
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].file->path(), (kBundled / "mtp.safetensors").string());
}

// Converted, split and transposed tensors are made from wherever a reader begins.
TEST(Checkpoint, IsTheSameHoweverItIsRead) {
  for (const std::string name :
       {"deepseek32", "mimo2", "glm5", "qwen35-fp8-blocks", "qwen35-fp8-row", "qwen35moe-nvfp4-packed",
        "qwen35moe-mlx3", "qwen35moe-mlx4", "deepseek32-mlx4", "qwen35moe-fp8-fused"}) {
    SCOPED_TRACE(name);
    const auto head = open_head(fs::path(FIXTURES_DIR) / "checkpoints" / name);
    ASSERT_THAT(head, IsOk());
    const auto& file = *head.value().file;
    const auto whole = read_all(file);
    Bytes pieces(whole.size());
    std::size_t length = 1;
    for (std::size_t at = 0; at < whole.size(); at += length) {
      length = std::min(length % 997 + 6, whole.size() - at);
      ASSERT_THAT(file.read_at(at, std::span(pieces).subspan(at, length)), IsOk());
    }
    EXPECT_TRUE(pieces == whole);
  }
}

void write_file(const fs::path& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

void write_json(const fs::path& path, const Json& json) { std::ofstream(path) << json; }

const CheckpointOptions kQwen{.architecture = "qwen35", .norm_offset = {}};

// A folder, and files that are written into it.
class CheckpointFolder : public testing::Test {
 protected:
  [[nodiscard]] fs::path path(const std::string& name) const { return folder_.path(name); }
  [[nodiscard]] Result<CheckpointHead> open_folder(const CheckpointOptions& options = {}) const {
    return open_head(folder_.root(), options);
  }
  void write_config(const Json& changes = Json::object()) const {
    auto config = Json{{"model_type", "qwen3_5_text"}, {"num_hidden_layers", 4}, {"mtp_num_hidden_layers", 1}};
    config.merge_patch(changes);  // null removes
    write_json(path("config.json"), config);
  }
  void write_index(const std::map<std::string, std::string>& files_of_tensors) const {
    write_json(path("model.safetensors.index.json"), {{"weight_map", files_of_tensors}});
  }
  void write_tensors(const std::string& name, const SafetensorsBuilder& tensors) const {
    write_file(path(name), tensors.build());
  }

 private:
  TempDir folder_;
};

SafetensorsBuilder small_head(float norm = 0) {
  return SafetensorsBuilder().floats("mtp.fc.weight", {2, 4}, 1).floats("mtp.norm.weight", {2}, norm);
}

using CheckpointNorms = CheckpointFolder;

TEST_F(CheckpointNorms, GetTheOneThatTheyLack) {
  for (const float mean : {-0.3F, 0.0F, 0.49F}) {
    write_tensors("x.safetensors", small_head(mean));
    const auto head = open_head(path("x.safetensors"), kQwen);
    ASSERT_THAT(head, IsOk());
    EXPECT_EQ(head.value().norm_offset, 1);
    EXPECT_THAT(head.value().notes, ElementsAre(HasSubstr("1 is added")));
  }
  for (const float mean : {0.75F, 1.0F, 1.7F}) {
    write_tensors("x.safetensors", small_head(mean));
    const auto head = open_head(path("x.safetensors"), kQwen);
    ASSERT_THAT(head, IsOk());
    EXPECT_EQ(head.value().norm_offset, 0);
    EXPECT_THAT(head.value().notes, ElementsAre(HasSubstr("the 1 is in them")));
  }
}

TEST_F(CheckpointNorms, AreAskedForWhereTheValuesDoNotTell) {
  write_tensors("x.safetensors", small_head(0.6F));
  const auto refused = open_head(path("x.safetensors"), kQwen);
  ASSERT_THAT(refused, FailsWith(ErrorCode::kIncompatible, "mean of about 0.60"));
  EXPECT_EQ(refused.error().remedy, Remedy::kSayNormOffset);
  for (const int offset : {0, 1}) {
    const auto head = open_head(path("x.safetensors"), {.architecture = "qwen35", .norm_offset = offset});
    ASSERT_THAT(head, IsOk());
    const auto gguf = parse_head(head.value());
    const auto bytes = read_tensor(*head.value().file, *gguf.find_tensor("blk.0.nextn.shared_head_norm.weight"));
    float value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    EXPECT_EQ(value, 0.6F + static_cast<float>(offset));
  }
}

// What could be either is what the clear ones are.
TEST_F(CheckpointNorms, AreJudgedTogether) {
  auto tensors = small_head(0.7F);
  tensors.floats("mtp.pre_fc_norm_hidden.weight", {2}, 0.8F).floats("mtp.pre_fc_norm_embedding.weight", {2}, -0.7F);
  write_tensors("x.safetensors", tensors);
  const auto head = open_head(path("x.safetensors"), kQwen);
  ASSERT_THAT(head, IsOk());
  EXPECT_EQ(head.value().norm_offset, 1);
}

TEST_F(CheckpointNorms, ThatAreNotAllAlikeAreNamed) {
  auto tensors = small_head(0.1F);
  tensors.floats("mtp.pre_fc_norm_hidden.weight", {2}, 0.2F).floats("mtp.pre_fc_norm_embedding.weight", {2}, 1.2F);
  write_tensors("x.safetensors", tensors);
  const auto refused = open_head(path("x.safetensors"), kQwen);
  ASSERT_THAT(refused, FailsWith(ErrorCode::kIncompatible, "'blk.0.nextn.enorm.weight' has a mean of 1.20: right"));
  EXPECT_THAT(refused, FailsWith(ErrorCode::kIncompatible, "'blk.0.nextn.hnorm.weight' has a mean of 0.20: without"));
  EXPECT_EQ(refused.error().remedy, Remedy::kSayNormOffset);
  EXPECT_THAT(open_head(path("x.safetensors"), {.architecture = "qwen35", .norm_offset = 1}), IsOk());
}

// Whatever the trunk's norms are, the head's are of the same kind, or they have the 1.
TEST_F(CheckpointNorms, AreComparedWithThoseOfTheCheckpointsOwnTrunk) {
  for (const auto& [mean, offset] : {std::pair(-0.3F, 0), std::pair(0.6F, 1)}) {
    auto tensors = small_head(0.6F);
    write_tensors("x.safetensors", tensors.floats("mtp.layers.0.self_attn.q_norm.weight", {2}, 0.7F)
                                       .floats("model.layers.3.self_attn.q_norm.weight", {2}, mean)
                                       .floats("model.layers.3.self_attn.q_proj.weight", {2, 2}, 1));
    const auto head = open_head(path("x.safetensors"), kQwen);
    ASSERT_THAT(head, IsOk());
    EXPECT_EQ(head.value().norm_offset, offset);
  }
}

// The same means, once with a trunk whose norms tell that the 1 is in them.
TEST_F(CheckpointNorms, AreComparedWithThoseOfTheTrunk) {
  auto tensors = small_head(0.6F);
  write_tensors("x.safetensors", tensors.floats("mtp.layers.0.self_attn.q_norm.weight", {2}, 0.7F));
  for (const auto& [mean, offset] : {std::pair(0.7, 0), std::pair(1.6, 1)}) {
    const auto head =
        open_head(path("x.safetensors"),
                  {.architecture = "qwen35", .norm_offset = {}, .trunk_norms = {{"attn_q_norm.weight", mean, mean}}});
    ASSERT_THAT(head, IsOk());
    EXPECT_EQ(head.value().norm_offset, offset);
  }
}

TEST_F(CheckpointNorms, StayAsTheyAreWhereModelsDoNotAddOne) {
  write_tensors("x.safetensors", SafetensorsBuilder()
                                     .floats("model.layers.92.eh_proj.weight", {2, 4}, 1)
                                     .floats("model.layers.92.enorm.weight", {2}, 0));
  const auto head = open_head(path("x.safetensors"), {.architecture = "glm4moe", .norm_offset = {}});
  ASSERT_THAT(head, IsOk());
  EXPECT_EQ(head.value().norm_offset, 0);
  EXPECT_THAT(head.value().notes, IsEmpty());
}

using CheckpointConfig = CheckpointFolder;

TEST_F(CheckpointConfig, IsNotNeededWhereTheTargetTellsTheArchitecture) {
  write_tensors("x.safetensors", SafetensorsBuilder()
                                     .floats("model.layers.91.enorm.weight", {2}, 0)
                                     .floats("model.layers.92.eh_proj.weight", {2, 4}, 1)
                                     .floats("model.layers.92.mlp.gate.e_score_correction_bias", {3}, 1));
  const auto head = open_head(path("x.safetensors"), {.architecture = "glm4moe", .norm_offset = {}});
  ASSERT_THAT(head, IsOk());
  const auto gguf = parse_head(head.value());
  ASSERT_EQ(gguf.keys.size(), 1U);
  EXPECT_EQ(gguf.architecture(), "glm4moe");
  ASSERT_EQ(gguf.tensors.size(), 2U);
  EXPECT_EQ(gguf.tensors[0].name, "blk.0.exp_probs_b.bias");
  EXPECT_EQ(gguf.tensors[1].name, "blk.0.nextn.eh_proj.weight");

  EXPECT_THAT(open_head(path("x.safetensors")), FailsWith(ErrorCode::kUnsupported, "no config.json"));
  const auto unknown = open_head(path("x.safetensors"), {.architecture = "llama", .norm_offset = {}});
  ASSERT_THAT(unknown, FailsWith(ErrorCode::kUnsupported, "heads of llama models are unknown"));
  EXPECT_THAT(unknown.error().details, Contains(HasSubstr("glm4moe")));
}

TEST_F(CheckpointConfig, BesideAFileIsUsed) {
  write_tensors("x.safetensors", small_head());
  write_config();
  const auto head = open_head(path("x.safetensors"));
  ASSERT_THAT(head, IsOk());
  EXPECT_NE(parse_head(head.value()).find_tensor("blk.4.nextn.eh_proj.weight"), nullptr);
}

TEST_F(CheckpointConfig, ThatDoesNotCountTheHeadIsCompletedFromTheTensors) {
  write_tensors("model.safetensors", small_head());
  write_config({{"mtp_num_hidden_layers", nullptr}});
  const auto head = open_folder();
  ASSERT_THAT(head, IsOk());
  EXPECT_THAT(head.value().notes, Contains("config.json does not tell mtp_num_hidden_layers: the tensors make it 1"));
  EXPECT_EQ(read_depth(parse_head(head.value())).nextn_predict_layers, 1U);
}

TEST_F(CheckpointConfig, ThatDeclaresAHeadWithoutTensorsIsExplained) {
  write_tensors("model.safetensors", SafetensorsBuilder().floats("model.norm.weight", {2}, 1));
  write_config();
  auto head = open_folder();
  ASSERT_THAT(head, FailsWith(ErrorCode::kIncompatible, "declares a head (mtp_num_hidden_layers = 1)"));
  EXPECT_THAT(head.error().hint, HasSubstr("AutoModel"));
  write_config({{"mtp_num_hidden_layers", nullptr}});
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kIncompatible, "has no MTP head"));
}

TEST_F(CheckpointConfig, IsRefusedWhereItMakesNoSense) {
  write_tensors("model.safetensors", small_head());
  write_config({{"model_type", "llama"}});
  auto head = open_folder();
  ASSERT_THAT(head, FailsWith(ErrorCode::kUnsupported, "model_type \"llama\" are unknown"));
  EXPECT_THAT(head.error().details, Contains("qwen3next: Qwen3NextForCausalLM, qwen3_next"));
  write_config({{"num_hidden_layers", nullptr}});
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kMalformed, "num_hidden_layers"));
  write_config({{"num_hidden_layers", 4'000'000'000U}});
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kMalformed, "num_hidden_layers"));
  std::ofstream(path("config.json")) << "[";
  head = open_folder();
  ASSERT_THAT(head, FailsWith(ErrorCode::kMalformed, "not a JSON object"));
  EXPECT_EQ(head.error().path, path("config.json").string());
  std::ofstream(path("config.json")) << R"({"text_config":{"a":)" << std::string(100'000, '[')
                                     << std::string(100'000, ']') << "}}";
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kMalformed, "nested more than 64 levels"));
}

// A class counts before the type, which Nemotron's Puzzle models share with those that can be read.
TEST_F(CheckpointConfig, OfAHeadThatLlamaCppDoesNotRunIsRefused) {
  write_tensors("model.safetensors", small_head());
  const Json puzzle{{"architectures", {"NemotronHPuzzleForCausalLM"}}, {"model_type", "nemotron_h"}};
  write_json(path("config.json"), puzzle);
  const auto head = open_folder();
  ASSERT_THAT(head, FailsWith(ErrorCode::kUnsupported, "NemotronHPuzzleForCausalLM cannot be read"));
  EXPECT_THAT(head.error().hint, HasSubstr("-md"));
  write_json(path("config.json"), {{"model_type", "hy_v4"}});
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kUnsupported, "no code for such a head"));
  write_json(path("config.json"), {{"architectures", {"DeepseekV4DSparkModel"}}, {"model_type", "deepseek_v4"}});
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kUnsupported, "a drafter"));
}

TEST_F(CheckpointConfig, OfTheTextCountsBeforeThatOfTheWhole) {
  write_tensors("model.safetensors", small_head());
  write_json(path("config.json"), {{"architectures", {"SomeForConditionalGeneration"}},
                                   {"model_type", "some"},
                                   {"num_hidden_layers", 99},
                                   {"text_config",
                                    {{"model_type", "qwen3_5_text"},
                                     {"architectures", nullptr},
                                     {"num_hidden_layers", 4},
                                     {"mtp_num_hidden_layers", 1}}}});
  const auto head = open_folder();
  ASSERT_THAT(head, IsOk());
  EXPECT_NE(parse_head(head.value()).find_tensor("blk.4.nextn.eh_proj.weight"), nullptr);
}

TEST_F(CheckpointConfig, ThatDeclaresASmallerHeadIsRefused) {
  write_tensors("model.safetensors", small_head().floats("mtp.layers.1.input_layernorm.weight", {2}, 0));
  write_config();
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kIncompatible, "'mtp.layers.1.input_layernorm.weight'"));
}

using CheckpointFiles = CheckpointFolder;

TEST_F(CheckpointFiles, AreOpenedOnlyIfTheyHoldTheHead) {
  write_config();
  write_tensors("model-2.safetensors", small_head());
  write_index({{"model.norm.weight", "model-1.safetensors"},
               {"mtp.fc.weight", "model-2.safetensors"},
               {"mtp.norm.weight", "model-2.safetensors"}});
  EXPECT_THAT(open_folder(), IsOk());
}

TEST_F(CheckpointFiles, MustBeThereAndHoldWhatTheIndexSays) {
  write_config();
  write_index({{"mtp.fc.weight", "model-2.safetensors"}, {"mtp.layers.0.mlp.up_proj.weight", "model-2.safetensors"}});
  auto head = open_folder();
  ASSERT_THAT(head, FailsWith(ErrorCode::kIo, "cannot open"));
  EXPECT_EQ(head.error().path, path("model-2.safetensors").string());
  write_tensors("model-2.safetensors", small_head());
  head = open_folder();
  ASSERT_THAT(head, FailsWith(ErrorCode::kMalformed, "has no tensor 'mtp.layers.0.mlp.up_proj.weight'"));
  EXPECT_EQ(head.error().path, path("model-2.safetensors").string());
}

TEST_F(CheckpointFiles, AreNamesInTheFolder) {
  write_config();
  write_tensors("model-2.safetensors", small_head());
  const auto absolute = path("model-2.safetensors").string();
  for (const std::string& name :
       std::vector<std::string>{"", ".", "..", "../model-2.safetensors", "./model-2.safetensors", absolute}) {
    write_index({{"mtp.fc.weight", name}});
    EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kMalformed, "which is not the name of a file in the folder"))
        << name;
  }
  write_json(path("model.safetensors.index.json"), {{"weight_map", {{"mtp.fc.weight", 1}}}});
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kMalformed, "'mtp.fc.weight'"));
  write_json(path("model.safetensors.index.json"), Json::object());
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kMalformed, "weight_map"));
}

TEST_F(CheckpointFiles, MayBeLinksOnlyIfTheyStayInTheFolder) {
  const TempDir elsewhere;
  write_config();
  write_file(elsewhere.path("blob"), small_head().build());
  fs::create_symlink(elsewhere.path("blob"), path("model.safetensors"));
  auto head = open_folder();
  ASSERT_THAT(head, FailsWith(ErrorCode::kRefused, "leads out of the folder"));
  EXPECT_THAT(head.error().hint, HasSubstr("hf download --local-dir"));
  write_index({{"mtp.fc.weight", "model.safetensors"}});
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kRefused, "leads out"));
  // Who names a link means it.
  EXPECT_THAT(open_head(path("model.safetensors")), IsOk());
  write_tensors("model-2.safetensors", small_head());
  fs::create_symlink("model-2.safetensors", path("inside.safetensors"));
  write_index({{"mtp.fc.weight", "inside.safetensors"}});
  EXPECT_THAT(open_folder(), IsOk());
}

TEST_F(CheckpointFiles, AreNamedWhereThereAreNone) {
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kIo, "is an empty folder"));
  const auto files = make_file_system();
  EXPECT_TRUE(is_checkpoint(path(".").string(), *files));
  EXPECT_TRUE(is_checkpoint("head.safetensors", *files));
  EXPECT_FALSE(is_checkpoint("head.gguf", *files));
}

// Where the index has no head, the folder's other files are looked into.
class HeadBesideTheIndex : public CheckpointFolder {
 protected:
  void SetUp() override {
    write_config();
    write_tensors("model-1.safetensors", SafetensorsBuilder().floats("model.norm.weight", {2}, 1));
    write_index({{"model.norm.weight", "model-1.safetensors"}});
  }
  // Fails the test if there is no head.
  [[nodiscard]] std::vector<std::string> notes() const {
    const auto head = open_folder();
    EXPECT_THAT(head, IsOk());
    return head.ok() ? head.value().notes : std::vector<std::string>();
  }
};

TEST_F(HeadBesideTheIndex, IsFoundInOtherFiles) {
  write_tensors("mtp.safetensors", small_head());
  EXPECT_THAT(notes(), Contains("the head is in mtp.safetensors; model.safetensors.index.json has none"));
  fs::rename(path("mtp.safetensors"), path("model-mtp.safetensors"));
  EXPECT_THAT(notes(), Contains("the head is in model-mtp.safetensors; model.safetensors.index.json has none"));
  write_tensors("model-mtp.safetensors", SafetensorsBuilder().floats("mtp.fc.weight", {2, 4}, 1));
  write_tensors("other.safetensors", SafetensorsBuilder().floats("mtp.norm.weight", {2}, 0));
  EXPECT_THAT(notes(), Contains("the head is in model-mtp.safetensors and other.safetensors; "
                                "model.safetensors.index.json has none"));
}

TEST_F(HeadBesideTheIndex, IsFoundBesideTheOnlyFile) {
  fs::rename(path("model-1.safetensors"), path("model.safetensors"));
  fs::remove(path("model.safetensors.index.json"));
  write_tensors("mtp-head.safetensors", small_head());
  EXPECT_THAT(notes(), Contains("the head is in mtp-head.safetensors; model.safetensors has none"));
}

TEST_F(HeadBesideTheIndex, IsNotLookedForIfTheIndexHasOne) {
  write_tensors("model-1.safetensors", small_head());
  write_index({{"mtp.fc.weight", "model-1.safetensors"}, {"mtp.norm.weight", "model-1.safetensors"}});
  std::ofstream(path("mtp.safetensors")) << "garbage";
  EXPECT_THAT(notes(), ElementsAre(HasSubstr("1 is added")));
}

TEST_F(HeadBesideTheIndex, MayBeLayersThatFollowTheTrunk) {
  write_config({{"model_type", "glm4_moe"}, {"num_nextn_predict_layers", 1}, {"mtp_num_hidden_layers", nullptr}});
  write_tensors("extra.safetensors", SafetensorsBuilder()
                                         .floats("model.layers.3.input_layernorm.weight", {2}, 1)
                                         .floats("model.layers.4.eh_proj.weight", {2, 4}, 1)
                                         .floats("model.layers.4.enorm.weight", {2}, 1));
  EXPECT_THAT(notes(), ElementsAre("the head is in extra.safetensors; model.safetensors.index.json has none"));
}

TEST_F(HeadBesideTheIndex, MayHaveAnIndexOfItsOwn) {
  write_json(
      path("mtp.safetensors.index.json"),
      {{"weight_map",
        {{"mtp.fc.weight", "a.safetensors"}, {"mtp.norm.weight", "b.safetensors"}, {"model.norm.weight", "c"}}}});
  write_tensors("a.safetensors", small_head());
  write_tensors("b.safetensors", SafetensorsBuilder().floats("mtp.norm.weight", {2}, 0));
  EXPECT_THAT(notes(),
              Contains("the head is in a.safetensors and b.safetensors; model.safetensors.index.json has none"));
  fs::remove(path("b.safetensors"));
  const auto head = open_folder();
  ASSERT_THAT(head, FailsWith(ErrorCode::kIo, "cannot open"));
  EXPECT_EQ(head.error().path, path("b.safetensors").string());
  EXPECT_THAT(head.error().hint, HasSubstr("download this file too"));
}

TEST_F(HeadBesideTheIndex, IsFoundWithoutAnyIndex) {
  fs::remove(path("model.safetensors.index.json"));
  write_tensors("model-2.safetensors", small_head());
  EXPECT_THAT(notes(), Contains("the head is in model-2.safetensors; the folder has no index"));
  fs::remove(path("model-2.safetensors"));
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kIncompatible, "has none of its tensors"));
}

TEST_F(HeadBesideTheIndex, MustBeInTheFolder) {
  const TempDir elsewhere;
  write_file(elsewhere.path("mtp.safetensors"), small_head().build());
  fs::create_symlink(elsewhere.path("mtp.safetensors"), path("mtp.safetensors"));
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kRefused, "leads out of the folder"));
  fs::remove(path("mtp.safetensors"));
  write_json(path("mtp.safetensors.index.json"), {{"weight_map", {{"mtp.fc.weight", "../x.safetensors"}}}});
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kMalformed, "which is not the name of a file in the folder"));
}

TEST_F(HeadBesideTheIndex, IsNotLookedForInFoldersAndHiddenFiles) {
  fs::create_directory(path("mtp"));
  write_tensors("mtp/mtp.safetensors", small_head());
  write_tensors("._mtp.safetensors", small_head());
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kIncompatible, "has none of its tensors"));
}

TEST_F(HeadBesideTheIndex, IsFoundAlthoughAFileCannotBeRead) {
  std::ofstream(path("mtp.safetensors")) << "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n";
  const auto head = open_folder();
  ASSERT_FALSE(head.ok());
  EXPECT_EQ(head.error().path, path("mtp.safetensors").string());
  write_tensors("other.safetensors", small_head());
  EXPECT_THAT(notes(), Contains(HasSubstr("mtp.safetensors was left out: not a safetensors file: ")));
}

TEST_F(HeadBesideTheIndex, IsAskedForIfTwoFilesHaveIt) {
  write_tensors("a.safetensors", small_head());
  write_tensors("b.safetensors", small_head());
  const auto head = open_folder();
  ASSERT_THAT(head, FailsWith(ErrorCode::kUsage, "a.safetensors and b.safetensors"));
  EXPECT_THAT(head.error().hint, HasSubstr(path("a.safetensors").string()));
  write_json(path("b.safetensors.index.json"),
             {{"weight_map", {{"mtp.fc.weight", "b.safetensors"}, {"mtp.norm.weight", "b.safetensors"}}}});
  EXPECT_THAT(notes(), Contains("the head is in b.safetensors; model.safetensors.index.json has none"));
}

using CheckpointTensors = CheckpointFolder;

TEST_F(CheckpointTensors, MustBeKnown) {
  write_config();
  write_tensors("model.safetensors", small_head().floats("mtp.layers.0.self_attn.q_proj.weight_scale", {1}, 1));
  const auto head = open_folder();
  ASSERT_THAT(head, FailsWith(ErrorCode::kUnsupported, "'mtp.layers.0.self_attn.q_proj.weight_scale'"));
  EXPECT_EQ(head.error().path, path(".").parent_path().string());
}

TEST_F(CheckpointTensors, MustHaveTypesThatCanBeConverted) {
  write_config();
  write_tensors("model.safetensors", small_head().tensor("mtp.layers.0.mlp.up_proj.weight", "I8", {2, 2}, Bytes(4)));
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kUnsupported, "dtype I8"));
  const auto fp8 = small_head().tensor("mtp.layers.0.mlp.up_proj.weight", "F8_E4M3", {2, 2}, Bytes(4));
  write_tensors("model.safetensors", fp8);
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kUnsupported, "without a tensor"));
  write_tensors("model.safetensors",
                SafetensorsBuilder(fp8).floats("mtp.layers.0.mlp.up_proj.weight_scale_inv", {3}, 1));
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kUnsupported, "not the scales of blocks of 128 x 128"));
  write_tensors("model.safetensors",
                SafetensorsBuilder(fp8).floats("mtp.layers.0.mlp.up_proj.weight_scale_inv", {1, 1}, 1));
  EXPECT_THAT(open_folder(), IsOk());
  write_config({{"quantization_config", {{"weight_block_size", {1, 128}}}}});
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kUnsupported, "not the scales of blocks of 1 x 128"));
}

Bytes to_bytes(const std::vector<std::uint8_t>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::uint16_t> as_words(const Bytes& bytes) {
  std::vector<std::uint16_t> words(bytes.size() / 2);
  std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

TEST_F(CheckpointTensors, OfFp8AreScaledAndRoundedToNearestEven) {
  constexpr auto kName = "mtp.layers.0.mlp.up_proj.weight";
  write_config({{"quantization_config", {{"weight_block_size", {1, 4}}}}});
  const float tie_down = 1 + 0x1p-8F;
  const float tie_up = 1 + 0x3p-8F;
  Bytes scales(8);
  std::memcpy(scales.data(), &tie_down, 4);
  std::memcpy(scales.data() + 4, &tie_up, 4);
  write_tensors("model.safetensors",
                small_head()
                    .tensor(kName, "F8_E4M3", {2, 4}, to_bytes({0x7F, 0xFF, 0x80, 0x38, 0x38, 0xB8, 0x01, 0x7E}))
                    .tensor(std::string(kName) + "_scale_inv", "F32", {2, 1}, scales));
  const auto head = open_folder();
  ASSERT_THAT(head, IsOk());
  const auto gguf = parse_head(head.value());
  const auto words = as_words(read_tensor(*head.value().file, *gguf.find_tensor("blk.4.ffn_up.weight")));
  // Not a number stays so, quietly; -0 is kept.
  EXPECT_THAT(words, ElementsAre(0x7FF0, 0xFFF0, 0x8000, 0x3F80, 0x3F82, 0xBF82, 0x3B02, 0x43E3));
}

// Several threads make what is long.
TEST_F(CheckpointTensors, AreTheSameHoweverManyThreadsMakeThem) {
  constexpr auto kName = "mtp.layers.0.mlp.up_proj.weight";
  constexpr std::size_t kRows = 700;
  constexpr std::size_t kColumns = 1100;
  Bytes codes(kRows * kColumns);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    codes[i] = static_cast<std::byte>(i * 37 % 127);
  }
  Bytes scales(6 * 9 * sizeof(float));
  for (std::size_t i = 0; i < scales.size() / sizeof(float); ++i) {
    const auto scale = 1 + static_cast<float>(i) / 7;
    std::memcpy(&scales[i * sizeof scale], &scale, sizeof scale);
  }
  write_config();
  write_tensors("model.safetensors", small_head()
                                         .tensor(kName, "F8_E4M3", {kRows, kColumns}, codes)
                                         .tensor(std::string(kName) + "_scale", "F32", {6, 9}, scales));
  const auto head = open_folder();
  ASSERT_THAT(head, IsOk());
  const auto gguf = parse_head(head.value());
  const auto& tensor = *gguf.find_tensor("blk.4.ffn_up.weight");
  const auto whole = read_tensor(*head.value().file, tensor);
  Bytes rows(whole.size());
  for (std::size_t row = 0; row < kRows; ++row) {
    ASSERT_THAT(head.value().file->read_at(tensor.offset + row * kColumns * 2,
                                           std::span(rows).subspan(row * kColumns * 2, kColumns * 2)),
                IsOk());
  }
  EXPECT_TRUE(whole == rows);
}

// The converter adds the 1 in F16, which has 11 bits.
TEST_F(CheckpointTensors, OfF16AreRoundedAsTheConverterRounds) {
  write_config();
  write_tensors("model.safetensors", SafetensorsBuilder()
                                         .floats("mtp.fc.weight", {2, 4}, 1)
                                         .tensor("mtp.norm.weight", "F16", {2}, to_bytes({0x8E, 0x06, 0xFF, 0x33})));
  const auto head = open_folder();
  ASSERT_THAT(head, IsOk());
  const auto gguf = parse_head(head.value());
  const auto bytes = read_tensor(*head.value().file, *gguf.find_tensor("blk.4.nextn.shared_head_norm.weight"));
  std::array<float, 2> values{};
  std::memcpy(values.data(), bytes.data(), sizeof values);
  EXPECT_THAT(values, ElementsAre(1.0F, 1.25F));
}

TEST_F(CheckpointTensors, OfExpertsMustBeComplete) {
  write_config({{"model_type", "qwen3_5_moe"}});
  auto tensors = small_head();
  tensors.floats("mtp.layers.0.mlp.experts.0.up_proj.weight", {2, 3}, 1);
  tensors.floats("mtp.layers.0.mlp.experts.2.up_proj.weight", {2, 3}, 1);
  write_tensors("model.safetensors", tensors);
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kIncompatible, "of experts 0 to 2 only 2 have a tensor"));
  auto complete = tensors;
  write_tensors("model.safetensors", complete.floats("mtp.layers.0.mlp.experts.1.up_proj.weight", {2, 3}, 1));
  EXPECT_THAT(open_folder(), IsOk());
  write_tensors("model.safetensors", tensors.floats("mtp.layers.0.mlp.experts.1.up_proj.weight", {3, 2}, 1));
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kUnsupported, "another shape"));
}

TEST_F(CheckpointTensors, MayNotBeThereTwice) {
  write_config();
  write_tensors("model.safetensors", small_head().floats("model.mtp.fc.weight", {2, 4}, 1));
  EXPECT_THAT(open_folder(), FailsWith(ErrorCode::kMalformed, "both 'blk.4.nextn.eh_proj.weight'"));
}

// Keys and values of latent attention cannot be told apart without the numbers of config.json.
TEST_F(CheckpointTensors, ThatAreSplitNeedTheConfig) {
  write_tensors("x.safetensors", SafetensorsBuilder()
                                     .floats("model.layers.61.eh_proj.weight", {2, 4}, 1)
                                     .floats("model.layers.61.self_attn.kv_b_proj.weight", {10, 3}, 1));
  const CheckpointOptions options{.architecture = "deepseek32", .norm_offset = {}};
  EXPECT_THAT(open_head(path("x.safetensors"), options), FailsWith(ErrorCode::kUnsupported, "qk_nope_head_dim"));
  const auto config = Json{{"model_type", "deepseek_v32"},
                           {"num_hidden_layers", 61},
                           {"num_key_value_heads", 2},
                           {"qk_nope_head_dim", 3},
                           {"v_head_dim", 2}};
  write_json(path("config.json"), config);
  EXPECT_THAT(open_head(path("x.safetensors")), IsOk());
  auto other = config;
  other["v_head_dim"] = 3;
  write_json(path("config.json"), other);
  EXPECT_THAT(open_head(path("x.safetensors")), FailsWith(ErrorCode::kUnsupported, "2 heads of 3 + 3 rows"));
}

TEST_F(CheckpointTensors, ThatAreJoinedMustAllBeThere) {
  write_json(path("config.json"), {{"model_type", "qwen4_exp"}, {"num_hidden_layers", 4}});
  const auto half = SafetensorsBuilder().floats("mtp.fc_embedding.weight", {2, 2}, 1);
  write_tensors("x.safetensors", half);
  const auto head = open_head(path("x.safetensors"));
  ASSERT_THAT(head, FailsWith(ErrorCode::kIncompatible, "'blk.4.nextn.eh_proj.weight' is joined from 2 tensors"));
  EXPECT_THAT(head.error().message, HasSubstr("'mtp.fc_embedding.weight'"));
  write_tensors("x.safetensors", SafetensorsBuilder(half).floats("mtp.fc_hidden.weight", {3, 2}, 1));
  EXPECT_THAT(open_head(path("x.safetensors")), FailsWith(ErrorCode::kUnsupported, "cannot stand beside"));
}

TEST_F(CheckpointTensors, ThatModelsDoWithoutMustBe0) {
  write_json(path("config.json"), {{"model_type", "cohere2_moe"}, {"num_hidden_layers", 3}});
  const auto head = SafetensorsBuilder().floats("model.layers.3.eh_proj.weight", {2, 4}, 1);
  write_tensors("x.safetensors", SafetensorsBuilder(head).floats("model.layers.3.self_attn.q_proj.bias", {2}, 0));
  const auto opened = open_head(path("x.safetensors"));
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(parse_head(opened.value()).tensors.size(), 1U);
  write_tensors("x.safetensors", SafetensorsBuilder(head).floats("model.layers.3.self_attn.q_proj.bias", {2}, 1));
  EXPECT_THAT(open_head(path("x.safetensors")), FailsWith(ErrorCode::kUnsupported, "does without it, and it is not 0"));
}

// Which rows are of one attention head is in config.json only.
TEST_F(CheckpointTensors, WhoseRowsAreOrderedNeedTheConfig) {
  write_tensors("x.safetensors", SafetensorsBuilder()
                                     .floats("mtp.layers.0.eh_proj.weight", {2, 4}, 1)
                                     .floats("mtp.layers.0.mixer.q_proj.weight", {12, 2}, 1));
  const CheckpointOptions options{.architecture = "nemotron_h_moe", .norm_offset = {}};
  EXPECT_THAT(open_head(path("x.safetensors"), options), FailsWith(ErrorCode::kUnsupported, "head_dim"));
  Json config{{"model_type", "nemotron_h"}, {"num_hidden_layers", 3}, {"head_dim", 4}};
  write_json(path("config.json"), config);
  EXPECT_THAT(open_head(path("x.safetensors")), IsOk());
  config["head_dim"] = 5;
  write_json(path("config.json"), config);
  EXPECT_THAT(open_head(path("x.safetensors")), FailsWith(ErrorCode::kUnsupported, "'mtp.layers.0.mixer.q_proj"));
  config["head_dim"] = 4;
  write_json(path("config.json"), config);
  for (const auto& shape : {std::vector<std::uint64_t>{1 << 18, 1}, {4, 2, 2}}) {
    write_tensors("x.safetensors", SafetensorsBuilder().floats("mtp.layers.0.mixer.q_proj.weight", shape, 1));
    EXPECT_THAT(open_head(path("x.safetensors")), FailsWith(ErrorCode::kUnsupported, "'mtp.layers.0.mixer.q_proj"));
  }
}

}  // namespace
}  // namespace mtpgraft
