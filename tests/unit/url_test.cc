#include "util/url.h"

#include <gtest/gtest.h>

#include "mtpgraft/file.h"

namespace mtpgraft {
namespace {

TEST(PlainUrl, HasTheHubsNameHoweverItIsWritten) {
  for (const auto* word :
       {"hf.co/o/n", "HF.co/o/n", "huggingface.co/o/n", "www.huggingface.co/o/n", "https://hf.co/o/n",
        "HTTPS://HuggingFace.co/o/n", "http://huggingface.co/o/n", "hf://huggingface.co/o/n"}) {
    EXPECT_EQ(plain_url(word), "https://huggingface.co/o/n") << word;
    EXPECT_TRUE(is_remote(word)) << word;
  }
  EXPECT_EQ(plain_url("hf.co/o/n/resolve/main/a?to=http://x"), "https://huggingface.co/o/n/resolve/main/a?to=http://x");
}

TEST(PlainUrl, LeavesOtherWordsAsTheyAre) {
  EXPECT_EQ(plain_url("HF://O/N"), "hf://O/N");
  EXPECT_EQ(plain_url("HTTPS://Host/Path"), "https://Host/Path");
  EXPECT_EQ(plain_url("https://hf.co.evil.org/o/n"), "https://hf.co.evil.org/o/n");
  for (const auto* word : {"./hf.co/o/n", "/hf.co/o/n", "hf.co", "huggingface.co", "x/hf.co/o", "hf.com/o/n", "o/n",
                           "models/https://x", ""}) {
    EXPECT_EQ(plain_url(word), word);
    EXPECT_FALSE(is_remote(word)) << word;
  }
}

TEST(Url, MayHaveASecretWithoutSchemeToo) {
  EXPECT_TRUE(has_secret("hf.co/o/n/resolve/main/a.gguf?signature=x"));
  EXPECT_TRUE(has_secret("--donor=hf.co/o/n?x"));
  EXPECT_TRUE(has_secret("--donor=https://user:password@host/a"));
  EXPECT_FALSE(has_secret("hf.co/o/n@v1:Q8_0"));
  EXPECT_FALSE(has_secret("hf://o/n@v1"));
  EXPECT_FALSE(has_secret("what?.gguf"));
  EXPECT_EQ(without_secret("hf.co/o/n?signature=x"), "hf.co/o/n");
}

}  // namespace
}  // namespace mtpgraft
