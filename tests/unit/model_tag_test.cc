#include "donor/model_tag.h"

#include <gtest/gtest.h>

#include "gguf/snapshot.h"

namespace mtpgraft {
namespace {

TEST(ModelTag, IsAPartOfTheNameInAnyCase) {
  for (const auto* file : {"Base-Q8_0.gguf", "mtp-Base-Q8_0.gguf", "MTP/Base-Q8_0.gguf", "Base.q8_0.gguf", "Q8_0.gguf",
                           "Q8_0-Base.gguf", "Base-Q8_0-00001-of-00004.gguf", "Base-xQ8_0-Q8_0.gguf"}) {
    EXPECT_TRUE(has_tag(file, "Q8_0")) << file;
    EXPECT_TRUE(has_tag(file, "q8_0")) << file;
  }
  for (const auto* file : {"Base-Q8_0_XL.gguf", "Base_Q8_0.gguf", "Base-IQ8_0.gguf", "Q8_0/Base.gguf", "Base.gguf"}) {
    EXPECT_FALSE(has_tag(file, "Q8_0")) << file;
  }
  EXPECT_FALSE(has_tag("Base-Q4_K_M.gguf", "Q4_K"));
  EXPECT_FALSE(has_tag("Base-Q4_K_M.gguf", "gguf"));
  EXPECT_FALSE(has_tag("Base-00001-of-00004.gguf", "00001"));
  EXPECT_TRUE(has_tag("Base-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"));
  EXPECT_TRUE(has_tag("Base-UD-Q4_K_XL.gguf", "Q4_K_XL"));
}

TEST(ModelTag, IsNoPatternAndNoFile) {
  EXPECT_TRUE(is_tag("Q8_0"));
  EXPECT_TRUE(is_tag("Qwen3.5-Q8_0"));
  for (const auto* name : {"", "*Q8_0*", "Q8_0/x", "x.gguf", "mtp.safetensors"}) {
    EXPECT_FALSE(is_tag(name)) << name;
  }
}

TEST(ModelTag, IsGuessedFromThoseThatThereAre) {
  EXPECT_EQ(nearest_tag("Q8-0", {"MTP/mtp-Base-Q8_0.gguf", "Base.Q4_K_M.gguf"}), "Q8_0");
  EXPECT_EQ(nearest_tag("Q4_K_S", {"MTP/mtp-Base-Q8_0.gguf", "Base.Q4_K_M-00001-of-00002.gguf"}), "Q4_K_M");
  EXPECT_EQ(nearest_tag("q8", {"Base-Q8_0.gguf"}), "Q8_0");
  EXPECT_EQ(nearest_tag("Q4_K", {"Base-Q8_0.gguf"}), "");
  EXPECT_EQ(nearest_tag("TQ2_0", {"mtp-Base.gguf"}), "");
}

TEST(ModelTag, SidecarsAreNamedSo) {
  EXPECT_TRUE(is_sidecar_name("MTP/mtp-Base-Q8_0.gguf"));
  EXPECT_TRUE(is_sidecar_name("MTP-Base.gguf"));
  EXPECT_FALSE(is_sidecar_name("mtp-x/Base.gguf"));
  EXPECT_FALSE(is_sidecar_name("Base-MTP-Q8_0.gguf"));
}

}  // namespace
}  // namespace mtpgraft
