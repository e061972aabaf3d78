// Heads in other names that cannot be given llama.cpp's, or that no llama.cpp loads.
#include "edit_gguf.h"
#include "gguf/tensor_types.h"
#include "matchers.h"
#include "model/dialect.h"
#include "models.h"
#include "mtpgraft/summary.h"
#include "sidecar.h"

namespace mtpgraft {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> translation_problems(const GgufBuilder& builder) {
  const auto model = parse_model("donor.gguf", builder.build());
  const auto translation = find_translation(model.gguf);
  EXPECT_EQ(translation.tensors.empty(), !translation.problems.empty());
  const auto head = find_head(model.gguf);
  EXPECT_EQ(head.state, HeadState::kBroken);
  EXPECT_EQ(head.problems, translation.problems);
  return translation.problems;
}

TEST(DialectRefusals, TypesThatDiffer) {
  auto builder = sidecar();
  builder.tensor("blk.4.nextn.fc_embd.weight", {32, 2}, tensor_type::kQ8_0, 68)
      .floats("blk.4.nextn.fc_hidden.weight", {32, 2});
  EXPECT_THAT(translation_problems(builder),
              ElementsAre("'blk.4.nextn.fc_embd.weight' is Q8_0 [32, 2, 1, 1] and 'blk.4.nextn.fc_hidden.weight' is "
                          "F32 [32, 2, 1, 1]: their rows cannot be joined"));
}

TEST(DialectRefusals, ShapesThatDiffer) {
  auto builder = sidecar();
  builder.floats("blk.4.nextn.fc_embd.weight", {8, 2}).floats("blk.4.nextn.fc_hidden.weight", {8, 3});
  EXPECT_THAT(translation_problems(builder), ElementsAre(HasSubstr("their rows cannot be joined")));
}

TEST(DialectRefusals, AMissingPart) {
  auto builder = sidecar();
  builder.floats("blk.4.nextn.fc_hidden.weight", {8, 8});
  EXPECT_THAT(translation_problems(builder), ElementsAre("'blk.4.nextn.fc_hidden.weight' is a part of "
                                                         "'blk.4.nextn.eh_proj.weight', the other is missing"));
}

TEST(DialectRefusals, PartsBesideTheWhole) {
  const std::vector<std::string> names{"fc_hidden", "eh_proj", "fc_embd"};
  for (std::size_t first = 0; first < names.size(); ++first) {
    auto builder = sidecar();
    for (std::size_t i = 0; i < names.size(); ++i) {
      builder.floats("blk.4.nextn." + names[(first + i) % names.size()] + ".weight", {8, 8});
    }
    EXPECT_THAT(translation_problems(builder),
                Contains(HasSubstr("'blk.4.nextn.eh_proj.weight', of which there is another")))
        << names[first];
  }
}

TEST(DialectRefusals, TwoOfAName) {
  auto builder = sidecar();
  builder.floats("blk.4.nextn.hc_norm.weight", {4 * kTinyWidth});
  EXPECT_THAT(translation_problems(builder), ElementsAre(HasSubstr("of which there is another")));
}

TEST(DialectRefusals, WhatIsNoWeight) {
  auto builder = sidecar();
  builder.floats("blk.4.nextn.fc_embd.weight", {8, 8})
      .floats("blk.4.nextn.fc_hidden.weight", {8, 8})
      .floats("blk.4.nextn.fc_embd.scale", {1});
  EXPECT_THAT(translation_problems(builder), Contains(HasSubstr("'blk.4.nextn.fc_embd.scale'")));
}

// 144 is ik's IQ4_KS, whose rows begin with a scale; 199 is in no table.
TEST(DialectRefusals, RowsThatAreNoWholeBlocks) {
  for (const std::uint32_t type : {144U, 199U}) {
    auto builder = sidecar();
    builder.tensor("blk.4.nextn.fc_embd.weight", {256, 2}, type, 288)
        .tensor("blk.4.nextn.fc_hidden.weight", {256, 2}, type, 288);
    EXPECT_THAT(translation_problems(builder), ElementsAre(HasSubstr("no whole blocks that can be joined"))) << type;
  }
  auto builder = sidecar();
  builder.tensor("blk.4.nextn.fc_embd.weight", {32, 2}, tensor_type::kQ8_0, 68)
      .tensor("blk.4.nextn.fc_hidden.weight", {32, 2}, tensor_type::kQ8_0, 68);
  auto gguf = parse_model("donor.gguf", builder.build()).gguf;
  for (auto& tensor : gguf.tensors) {
    tensor.shape[0] = tensor.type == tensor_type::kQ8_0 ? 16 : tensor.shape[0];
  }
  EXPECT_THAT(find_translation(gguf).problems, ElementsAre(HasSubstr("no whole blocks that can be joined")));
}

// Of an architecture whose checkpoints are known the first is named, with that; of another all are.
TEST(DialectRefusals, UnknownNamesAreListed) {
  auto builder = sidecar();
  builder.floats("mtp.layers.0.q.weight", {8}).floats("mtp.fc.weight", {8});
  auto model = parse_model("donor.gguf", builder.build());
  EXPECT_THAT(find_head(model.gguf).problems,
              Contains("head tensor 'mtp.layers.0.q.weight' is none that qwen4exp models are known to have"));
  rename_architecture(model.gguf, "unheard-of");
  EXPECT_THAT(find_head(model.gguf).problems,
              Contains("2 tensors keep names of a checkpoint; llama.cpp wants 'blk.N.nextn.*': "
                       "mtp.layers.0.q.weight, mtp.fc.weight"));
}

// The block is whole, and drafts over all tokens where the model's output matrix has them.
TEST(TrimmedVocabulary, StaysBehindUnlessTheBlockHasIt) {
  const auto target = load_model(kTarget);
  auto donor = load_model(kDonor);
  EXPECT_THAT(find_trimmed_vocabulary(donor.gguf), IsEmpty());
  donor.gguf.tensors.push_back({.name = "d2t", .n_dims = 1, .shape = {64, 1, 1, 1}, .type = 27});
  donor.gguf.tensors.push_back({.name = "output.weight", .n_dims = 2, .shape = {256, 64, 1, 1}});
  EXPECT_THAT(find_trimmed_vocabulary(donor.gguf), ElementsAre("d2t", "output.weight"));
  EXPECT_THAT(summarise(donor.gguf).dialects, ElementsAre("trimmed-vocabulary"));
  EXPECT_THAT(find_translation(donor.gguf).tensors, IsEmpty());
  EXPECT_THAT(try_plan(target, donor, without_record()), IsOk());
  donor.gguf.tensors.push_back(edit_tensor(donor.gguf, "blk.8.attn_q.weight"));
  donor.gguf.tensors.back().name = "blk.8.nextn.shared_head_head.weight";
  donor.gguf.tensors.back().shape = {256, 64, 1, 1};
  EXPECT_THAT(try_plan(target, donor, without_record()),
              FailsWith(ErrorCode::kIncompatible, "'blk.8.nextn.shared_head_head.weight' has shape [256, 64, 1, 1]"));
}

}  // namespace
}  // namespace mtpgraft
