// Heads of GGUFs in the names of a checkpoint: what each tensor becomes, and what cannot become llama.cpp's.
#include "edit_gguf.h"
#include "gguf/tensor_types.h"
#include "gguf_builder.h"
#include "matchers.h"
#include "model/dialect.h"
#include "models.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

GgufBuilder model_of(std::string_view architecture, std::uint32_t blocks) {
  GgufBuilder builder;
  builder.key("general.architecture", architecture)
      .key(std::string(architecture) + ".block_count", blocks)
      .floats("blk.0.attn_norm.weight", {8});
  return builder;
}

Translation translate(const GgufBuilder& builder) {
  return find_translation(parse_model("donor.gguf", builder.build()).gguf);
}

const StandardTensor* find(const Translation& translation, std::string_view name) {
  const auto found = std::ranges::find(translation.tensors, name,
                                       [](const StandardTensor& tensor) { return std::string_view(tensor.info.name); });
  return found != translation.tensors.end() ? &*found : nullptr;
}

std::optional<std::int64_t> key(const Translation& translation, std::string_view name) {
  const auto found = std::ranges::find(translation.keys, name, &KeyValue::key);
  return found != translation.keys.end() ? found->value.integer_at() : std::nullopt;
}

// Blocks that are appended keep their number; the keys come to declare them.
TEST(CheckpointNames, OfAppendedLayers) {
  auto builder = model_of("glm4moe", 3);
  builder.floats("model.layers.3.eh_proj.weight", {16, 8})
      .floats("model.layers.3.enorm.weight", {8})
      .floats("model.layers.3.mlp.experts.1.up_proj.weight", {8, 4})
      .floats("model.layers.3.mlp.experts.0.up_proj.weight", {8, 4});
  const auto translation = translate(builder);
  EXPECT_THAT(translation.problems, IsEmpty());
  EXPECT_THAT(translation.dialects, ElementsAre("checkpoint"));
  EXPECT_EQ(key(translation, "glm4moe.block_count"), 4);
  EXPECT_EQ(key(translation, "glm4moe.nextn_predict_layers"), 1);
  const auto* experts = find(translation, "blk.3.ffn_up_exps.weight");
  ASSERT_NE(experts, nullptr);
  EXPECT_THAT(experts->info.shape, ElementsAre(8, 4, 2, 1));
  // The expert's number counts, not its place in the file.
  ASSERT_THAT(experts->pieces, SizeIs(2));
  EXPECT_GT(experts->pieces[0].tensor, experts->pieces[1].tensor);
  const auto* norm = find(translation, "blk.3.nextn.enorm.weight");
  ASSERT_NE(norm, nullptr);
  EXPECT_FALSE(norm->is_checkpoints_norm) << "this family has no 1 to add";
}

// Norms have the 1 where the name is llama.cpp's, whatever the file's other norms have.
TEST(CheckpointNames, OnlyNormsInACheckpointsNameMayLackThe1) {
  auto builder = model_of("qwen35", 2);
  builder.floats("mtp.norm.weight", {8}).floats("mtp.layers.0.attn_norm.weight", {8});
  const auto translation = translate(builder);
  EXPECT_TRUE(find(translation, "blk.2.nextn.shared_head_norm.weight")->is_checkpoints_norm);
  EXPECT_FALSE(find(translation, "blk.2.attn_norm.weight")->is_checkpoints_norm);
}

TEST(CheckpointNames, GatesAndUpsInOneAreCut) {
  auto builder = model_of("qwen35moe", 2);
  builder.tensor("mtp.layers.0.mlp.experts.gate_up_proj", {32, 4, 3}, tensor_type::kQ8_0, std::size_t{34} * 4 * 3);
  const auto translation = translate(builder);
  for (const auto& [name, first] : {std::pair("gate", 0U), std::pair("up", 68U)}) {
    const auto* half = find(translation, std::string("blk.2.ffn_") + name + "_exps.weight");
    ASSERT_NE(half, nullptr) << name;
    EXPECT_THAT(half->info.shape, ElementsAre(32, 2, 3, 1));
    ASSERT_THAT(half->pieces, SizeIs(3));
    EXPECT_EQ(half->pieces[1].offset, 136 + first);
    EXPECT_EQ(half->pieces[1].size_bytes, 68U);
  }
}

struct Refusal {
  const char* name;
  const char* architecture;
  std::vector<std::pair<std::string, std::vector<std::uint64_t>>> tensors;
  const char* problem;
};

class CheckpointNamesRefused : public testing::TestWithParam<Refusal> {};

INSTANTIATE_TEST_SUITE_P(
    Names, CheckpointNamesRefused,
    testing::Values(
        Refusal{"AMissingExpert",
                "qwen35moe",
                {{"mtp.layers.0.mlp.experts.0.up_proj.weight", {8, 4}},
                 {"mtp.layers.0.mlp.experts.2.up_proj.weight", {8, 4}}},
                "of experts 0 to 2 only 2 have a tensor"},
        Refusal{"ExpertsOfOtherShapes",
                "qwen35moe",
                {{"mtp.layers.0.mlp.experts.0.up_proj.weight", {8, 4}},
                 {"mtp.layers.0.mlp.experts.1.up_proj.weight", {8, 5}}},
                "are experts of other shapes"},
        Refusal{"BothNames",
                "qwen35",
                {{"mtp.layers.0.self_attn.q_proj.weight", {8, 4}}, {"mtp.layers.0.attn_q.weight", {8, 4}}},
                "'blk.2.attn_q.weight', of which there is another"},
        Refusal{"BesideLlamaCpps",
                "qwen35",
                {{"blk.2.nextn.eh_proj.weight", {8, 4}}, {"mtp.fc.weight", {8, 4}}},
                "'blk.2.nextn.eh_proj.weight', of which there is another"},
        Refusal{"WhatIsTransposed",
                "deepseek32",
                {{"model.layers.2.self_attn.kv_b_proj.weight", {8, 4}}},
                "'model.layers.2.self_attn.kv_b_proj.weight' is changed for llama.cpp by what config.json says"},
        Refusal{"AnOddStack",
                "qwen35moe",
                {{"mtp.layers.0.mlp.experts.gate_up_proj", {8, 3, 2}}},
                "is no stack of gate and up projections of equal size"},
        Refusal{"AnUnknownName",
                "qwen35",
                {{"mtp.layers.0.self_attn.z_proj.weight", {8, 4}}},
                "'mtp.layers.0.self_attn.z_proj.weight' is none that qwen35 models are known to have"}),
    [](const auto& test) { return test.param.name; });

TEST_P(CheckpointNamesRefused, NamesTheTensor) {
  auto builder = model_of(GetParam().architecture, 2);
  for (const auto& [name, shape] : GetParam().tensors) {
    builder.floats(name, shape);
  }
  const auto translation = translate(builder);
  EXPECT_THAT(translation.problems, ElementsAre(HasSubstr(GetParam().problem)));
  EXPECT_THAT(translation.tensors, IsEmpty());
}

// Only an architecture that is in no table is read as another.
TEST(CheckpointNames, ArchitecturesWithMtpBehind) {
  const auto read_as = [](std::string_view architecture) {
    const auto model = parse_model("donor.gguf", model_of(architecture, 2).build());
    const auto named = standard_names(model.gguf, find_translation(model.gguf));
    return std::string(named ? named->architecture() : model.gguf.architecture());
  };
  EXPECT_EQ(read_as("qwen35_mtp"), "qwen35");
  EXPECT_EQ(read_as("qwen35moe_mtp"), "qwen35moe");
  EXPECT_EQ(read_as("llama_mtp"), "llama_mtp");
  EXPECT_EQ(read_as("qwen35"), "qwen35");
}

}  // namespace
}  // namespace mtpgraft
