// Heads of tiny random models of every architecture. tests/e2e/e2e_architectures.py holds the same to the runtime.
#include "model/structure.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "edit_gguf.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/strip.h"
#include "mtpgraft/summary.h"

namespace mtpgraft {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> tiny_architectures() {
  std::vector<std::string> names;
  for (const auto& row : architectures()) {
    if (std::filesystem::exists(model_path(fmt::format("archs/{}/full", row.name)))) {
      names.emplace_back(row.name);
    }
  }
  return names;
}

Model tiny(const std::string& architecture, std::string_view file) {
  return load_model(fmt::format("archs/{}/{}", architecture, file));
}

StructureReport report_of(const Model& target, const Model& donor) {
  const auto head = find_head(target.gguf);
  return check_structure(target.gguf, count_trunk_blocks(target.gguf, head), donor.gguf, find_head(donor.gguf),
                         find_architecture(target.gguf.architecture()), ExpertRule::kAsTrunk);
}

TEST(Structure, OfEveryArchitecturesOwnHeadIsSound) {
  ASSERT_GE(tiny_architectures().size(), 20U);
  for (const auto& name : tiny_architectures()) {
    SCOPED_TRACE(name);
    for (const auto* donor : {"full", "sidecar", "bare"}) {
      const auto report = report_of(tiny(name, "trunk"), tiny(name, donor));
      EXPECT_THAT(report.refusals, IsEmpty()) << donor;
      EXPECT_THAT(report.warnings, IsEmpty()) << donor;
    }
  }
}

// Its blocks have either attention or experts, the head both: no block is like all of it.
TEST(Structure, OfAHeadsExpertsIsThatOfBlocksWithExperts) {
  const auto target = tiny("nemotron_h_moe-latent", "trunk");
  auto donor = tiny("nemotron_h_moe-latent", "full");
  std::erase_if(donor.gguf.tensors,
                [](const TensorInfo& tensor) { return tensor.name == "blk.4.ffn_latent_down.weight"; });
  EXPECT_THAT(
      report_of(target, donor).refusals,
      testing::ElementsAre(HasSubstr("the head lacks 'blk.4.ffn_latent_down.weight', which blk.1 of the trunk has")));
}

TEST(Structure, HoldsForArchitecturesOfNoTable) {
  for (const auto& name : tiny_architectures()) {
    auto target = tiny(name, "trunk");
    auto donor = tiny(name, "full");
    for (auto* model : {&target, &donor}) {
      rename_architecture(model->gguf, "unheard-of");
    }
    const auto report = report_of(target, donor);
    EXPECT_THAT(report.refusals, IsEmpty()) << name;
    // These have a block that the trunk has not: without compressor, with two kinds in one, with other extents.
    if (name != "deepseek4" && name != "qwen4exp" && name != "dots3note") {
      EXPECT_THAT(report.warnings, IsEmpty()) << name;
    }
  }
}

TEST(Structure, FindsEveryShapeThatIsAnother) {
  for (const auto& name : tiny_architectures()) {
    const auto target = tiny(name, "trunk");
    auto donor = tiny(name, "bare");
    for (auto& tensor : donor.gguf.tensors) {
      const auto saved = tensor;
      tensor.shape[0] += 7;
      EXPECT_THAT(report_of(target, donor).refusals, Contains(HasSubstr(fmt::format("'{}' has shape", saved.name))));
      tensor = saved;
    }
  }
}

// Of a known architecture a tensor that is not required by name, nor optional, nor of trunks only.
TEST(Structure, NamesTheBlockThatHasWhatTheHeadLacks) {
  auto donor = tiny("cohere2moe", "bare");
  remove_tensor(donor.gguf, "blk.4.ffn_up_shexp.weight");
  EXPECT_THAT(report_of(tiny("cohere2moe", "trunk"), donor).refusals,
              testing::ElementsAre("the head lacks 'blk.4.ffn_up_shexp.weight', which blk.3 of the trunk has"));
}

TEST(Structure, WarnsWhereAHeadLoadsWithoutWhatTheTrunkHas) {
  auto donor = tiny("step35", "bare");
  remove_tensor(donor.gguf, "blk.5.attn_gate.weight");
  const auto report = report_of(tiny("step35", "trunk"), donor);
  EXPECT_THAT(report.refusals, IsEmpty());
  EXPECT_THAT(report.warnings, testing::ElementsAre(HasSubstr("the head lacks 'blk.5.attn_gate.weight'")));
}

TEST(Structure, WarnsOfArchitecturesOfNoTable) {
  auto target = tiny("qwen35", "trunk");
  auto donor = tiny("qwen35", "full");
  for (auto* model : {&target, &donor}) {
    rename_architecture(model->gguf, "unheard-of");
  }
  remove_tensor(donor.gguf, "blk.4.attn_k.weight");
  remove_tensor(donor.gguf, "blk.4.nextn.eh_proj.weight");
  edit_tensor(donor.gguf, "blk.4.ffn_up.weight").shape[1] = 7;
  edit_tensor(donor.gguf, "blk.4.attn_q_norm.weight").name = "blk.4.bogus.weight";
  const auto report = report_of(target, donor);
  EXPECT_THAT(report.refusals, IsEmpty());
  for (const auto* part :
       {"lacks 'blk.4.attn_k.weight'", "lacks 'blk.4.nextn.eh_proj.weight'", "lacks 'blk.4.attn_q_norm.weight'",
        "'blk.4.ffn_up.weight' has shape", "'blk.4.bogus.weight' has no like in the trunk"}) {
    EXPECT_THAT(report.warnings, Contains(HasSubstr(part)));
  }
}

TEST(Structure, RefusesTensorsThatNoLoaderAsksFor) {
  for (const std::string name : {"bogus.weight", "layer_output_norm.weight", "nextn.bogus.weight"}) {
    auto donor = tiny("qwen35", "bare");
    auto& tensor = donor.gguf.tensors.emplace_back(donor.gguf.tensors.front());
    tensor.name = "blk.4." + name;
    EXPECT_THAT(report_of(tiny("qwen35", "trunk"), donor).refusals, Contains(HasSubstr("'blk.4." + name + "'")));
  }
}

// Two of three matrices of the same sum of rows are none the less wrong.
TEST(Structure, ComparesFusedMatricesWithTheirParts) {
  const auto target = tiny("hy_v3", "trunk");
  auto donor = tiny("hy_v3", "bare");
  auto& query = edit_tensor(donor.gguf, "blk.4.attn_q.weight");
  const auto rows = query.shape[1] + edit_tensor(donor.gguf, "blk.4.attn_k.weight").shape[1] +
                    edit_tensor(donor.gguf, "blk.4.attn_v.weight").shape[1];
  query.name = "blk.4.attn_qkv.weight";
  query.shape[1] = rows;
  remove_tensor(donor.gguf, "blk.4.attn_k.weight");
  remove_tensor(donor.gguf, "blk.4.attn_v.weight");
  EXPECT_THAT(report_of(target, donor).refusals, IsEmpty());
  edit_tensor(donor.gguf, "blk.4.attn_qkv.weight").shape[1] += 32;
  EXPECT_THAT(report_of(target, donor).refusals, Contains(HasSubstr("'blk.4.attn_qkv.weight' has shape")));
}

// A hostile file: what is told stays readable, and takes no time.
TEST(Structure, TellsNoMoreThanAPersonReads) {
  auto target = tiny("mimo2", "trunk");
  auto donor = tiny("mimo2", "bare");
  const auto like = target.gguf.tensors.back();
  for (int i = 0; i < 20000; ++i) {
    for (const int block : {0, 1, 2, 3}) {
      target.gguf.tensors.push_back(like);
      target.gguf.tensors.back().name = fmt::format("blk.{}.x{}.weight", block, i);
    }
  }
  EXPECT_LE(report_of(target, donor).refusals.size(), 100U);
}

// A sidecar's keys and tensors must tell of one model, though there is no trunk.
TEST(Structure, OfASidecarFollowsFromItsKeys) {
  for (const auto* key : {"embedding_length", "expert_count"}) {
    auto sidecar = tiny("qwen35moe", "sidecar");
    set_u32(sidecar.gguf, fmt::format("qwen35moe.{}", key), 6);
    const auto head = find_head(sidecar.gguf);
    EXPECT_EQ(head.state, HeadState::kSidecar);
    EXPECT_FALSE(check_structure(sidecar.gguf, 0, sidecar.gguf, head, find_architecture("qwen35moe"), ExpertRule::kOwn)
                     .refusals.empty())
        << key;
    EXPECT_FALSE(summarise(sidecar.gguf).is_draft_model) << key;
  }
}

// A trunk from which experts were pruned, and the head of the model before.
class PrunedTrunk : public testing::Test {
 protected:
  PrunedTrunk() {
    for (auto& tensor : target.gguf.tensors) {
      for (const std::size_t dimension : {1U, 2U}) {
        const bool is_router = dimension == 1 && tensor.name.find("ffn_gate_inp.") != std::string::npos;
        const bool is_stack = dimension == 2 && tensor.name.find("_exps.") != std::string::npos;
        if (is_router || is_stack) {
          tensor.shape[dimension] /= 2;
        }
      }
    }
    set_u32(target.gguf, "qwen35moe.expert_count", 2);
  }

  Model target = tiny("qwen35moe", "trunk");
};

TEST_F(PrunedTrunk, TakesTheHeadOnlyBesideIt) {
  const auto donor = tiny("qwen35moe", "full");
  const auto plan = try_plan(target, donor, graft_options(target, donor));
  ASSERT_THAT(plan, FailsWith(ErrorCode::kIncompatible, "expert_count: target 2, donor 4"));
  EXPECT_EQ(plan.error().remedy, Remedy::kHeadBeside);
  const auto sidecar = make_extract_plan(donor.gguf, head_data_of(donor), &target.gguf, ExtractForm::kSidecar);
  ASSERT_THAT(sidecar, IsOk());
  EXPECT_THAT(sidecar.value().key_changes,
              Contains(testing::AllOf(testing::Field(&KeyChange::key, "qwen35moe.expert_count"),
                                      testing::Field(&KeyChange::to, "4"))));
}

TEST_F(PrunedTrunk, RefusesAHeadThatDoesNotTellItsExperts) {
  const auto donor = tiny("qwen35moe", "bare");
  const auto plan = try_plan(target, donor, graft_options(target, donor));
  ASSERT_THAT(plan, FailsWith(ErrorCode::kIncompatible, "'blk.4.ffn_gate_inp.weight' has shape"));
  EXPECT_EQ(plan.error().remedy, Remedy::kNone);
}

TEST(LikeBlocks, TellsAttentionFromFeedForward) {
  const auto target = tiny("mimo2", "trunk");
  const auto donor = tiny("mimo2", "full");
  const auto head = find_head(donor.gguf);
  const LikeBlocks blocks(target.gguf, 4, donor.gguf, head);
  const auto like = [&](BlockPart part) { return blocks.find(0, part); };
  EXPECT_THAT(like(BlockPart::kAttention), testing::ElementsAre(1U, 2U));
  EXPECT_THAT(like(BlockPart::kFeedForward), testing::ElementsAre(0U));
  EXPECT_THAT(like(BlockPart::kAll), IsEmpty());
}

}  // namespace
}  // namespace mtpgraft
