// What llama.cpp derives from the number of blocks, and a graft would change behind its back. Tiny files, made here:
// only counts and names matter.
#include <fmt/core.h>

#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"

namespace mtpgraft {
namespace {

GgufBuilder target_builder(const std::string& architecture, std::uint32_t blocks) {
  GgufBuilder builder;
  builder.key("general.architecture", architecture).key(architecture + ".block_count", blocks);
  for (std::uint32_t i = 0; i < blocks; ++i) {
    builder.floats(fmt::format("blk.{}.attn_norm.weight", i), {4});
  }
  return builder;
}

Model tiny_target(const std::string& architecture, std::uint32_t blocks) {
  return parse_model("target.gguf", target_builder(architecture, blocks).build());
}

// The head alone, without keys.
Model tiny_donor() {
  GgufBuilder builder;
  for (const std::string name :
       {"nextn.eh_proj.weight", "nextn.enorm.weight", "nextn.hnorm.weight", "nextn.shared_head_norm.weight"}) {
    builder.floats("blk.0." + name, {4});
  }
  return parse_model("donor.gguf", builder.build());
}

std::vector<std::string> warning_ids(const Plan& plan) {
  std::vector<std::string> ids;
  for (const auto& warning : plan.warnings) {
    ids.push_back(warning.id);
  }
  return ids;
}

TEST(Depth, IsLimited) {
  EXPECT_THAT(try_plan(tiny_target("future9", 511), tiny_donor()), IsOk());
  EXPECT_THAT(try_plan(tiny_target("future9", 512), tiny_donor()),
              FailsWith(ErrorCode::kIncompatible, "block_count would be 513, llama.cpp takes at most 512"));
}

TEST(Support, WarnsOfArchitecturesThatNoTableHas) {
  const auto plan = make_plan(tiny_target("future9", 4), tiny_donor());
  ASSERT_THAT(warning_ids(plan), testing::ElementsAre("head-structure", "architecture-unknown"));
  EXPECT_THAT(plan.warnings[0].message, testing::HasSubstr("lacks 'blk.0.attn_norm.weight', which blk.3 of the trunk"));
  EXPECT_THAT(plan.warnings[1].message, testing::HasSubstr("no MTP code for future9"));
}

}  // namespace
}  // namespace mtpgraft
