#include "mtpgraft/summary.h"

#include "edit_gguf.h"
#include "matchers.h"
#include "models.h"

namespace mtpgraft {
namespace {

Summary summary_of(std::string_view name) { return summarise(load_model(name).gguf); }

TEST(Summary, DescribesAModel) {
  const auto summary = summary_of(kTarget);
  EXPECT_EQ(summary.architecture, "qwen35");
  EXPECT_EQ(summary.name, "tiny-qwen35-target-12L");
  EXPECT_EQ(summary.trunk_blocks, 12U);
  EXPECT_EQ(summary.block_pattern, "9 recurrent, 3 attention (3 x RRRA)");
  std::uint64_t tensors = 0;
  std::uint64_t bytes = 0;
  for (const auto& share : summary.types) {
    tensors += share.tensor_count;
    bytes += share.bytes;
  }
  EXPECT_EQ(tensors, 162U);
  EXPECT_EQ(bytes, summary.tensor_data_bytes);
  EXPECT_TRUE(std::ranges::is_sorted(summary.types, std::greater{}, &TypeShare::bytes));
}

TEST(Summary, TellsWhetherTheRuntimeDrafts) {
  EXPECT_TRUE(summary_of("target-with-head").is_usable);
  for (const std::string_view name :
       {kTarget, std::string_view("target-placeholder"), kDonor, std::string_view("target-broken-head"),
        std::string_view("target-shard"), std::string_view("donor-tensors-only-no-keys")}) {
    const auto summary = summary_of(name);
    EXPECT_FALSE(summary.is_usable) << name;
    EXPECT_NE(summary.runtime, Runtime::kDrafts) << name;
  }
}

TEST(Summary, CountsTheHead) {
  const auto summary = summary_of("target-with-head");
  EXPECT_EQ(summary.trunk_blocks, 12U);
  ASSERT_EQ(summary.head_types.size(), 2U);
  EXPECT_EQ(summary.head_types[0].type, "Q8_0");
  EXPECT_EQ(summary.head_types[0].tensor_count, 8U);
  EXPECT_EQ(summary.head_types[1].type, "F32");
  EXPECT_EQ(summary.head_types[1].tensor_count, 7U);
  EXPECT_EQ(summary.block_pattern, summary_of(kTarget).block_pattern);
}

TEST(Summary, CopesWithFilesThatSayNothing) {
  for (const std::string_view name : {"golden/no-tensors", "golden/all-value-types", "donor-tensors-only-no-keys"}) {
    const auto summary = summary_of(name);
    EXPECT_EQ(summary.block_pattern, "") << name;
    EXPECT_FALSE(summary.is_usable) << name;
  }
}

TEST(Summary, ShowsBlocksThatDoNotRepeat) {
  auto gguf = load_model(kTarget).gguf;
  std::erase_if(gguf.tensors, [](const TensorInfo& tensor) { return tensor.name.starts_with("blk.0.ssm_"); });
  EXPECT_EQ(summarise(gguf).block_pattern, "8 recurrent, 4 attention (ARRARRRARRRA)");
}

}  // namespace
}  // namespace mtpgraft
