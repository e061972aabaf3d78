#include "mtpgraft/output_name.h"

#include <gtest/gtest.h>

#include "mtpgraft/plan.h"

namespace mtpgraft {
namespace {

TEST(DefaultOutputPath, PutsMtpBeforeTheQuantisation) {
  struct Names {
    std::string target;
    std::string output;
  };
  const std::vector<Names> cases{
      {"Qwen3.6-27B-Q4_K_M.gguf", "Qwen3.6-27B-MTP-Q4_K_M.gguf"},
      {"Qwen3.6-27B-UD-Q4_K_XL.gguf", "Qwen3.6-27B-MTP-UD-Q4_K_XL.gguf"},
      {"Qwen3.6-27B.Q6_K.gguf", "Qwen3.6-27B-MTP.Q6_K.gguf"},
      {"Qwen3.6-35B-A3B-IQ3_XXS.gguf", "Qwen3.6-35B-A3B-MTP-IQ3_XXS.gguf"},
      {"model-Q8_0.gguf", "model-MTP-Q8_0.gguf"},
      {"model-q8_0.gguf", "model-MTP-q8_0.gguf"},
      {"model-BF16.gguf", "model-MTP-BF16.gguf"},
      {"model-f16.gguf", "model-MTP-f16.gguf"},
      {"model.F32.gguf", "model-MTP.F32.gguf"},
      {"GLM-4.7-TQ1_0.gguf", "GLM-4.7-MTP-TQ1_0.gguf"},
      {"gpt-MXFP4_MOE.gguf", "gpt-MTP-MXFP4_MOE.gguf"},
      {"Qwen3.6-27B-NVFP4.gguf", "Qwen3.6-27B-MTP-NVFP4.gguf"},
      {"Model-40B.i1-Q4_K_M.gguf", "Model-40B.i1-MTP-Q4_K_M.gguf"},
      {"Qwen3.6-27B-IQ4_KSS.gguf", "Qwen3.6-27B-MTP-IQ4_KSS.gguf"},
      {"target-12L-Q4_K_M.gguf", "target-12L-MTP-Q4_K_M.gguf"},
      {"Qwen3.6-27B.gguf", "Qwen3.6-27B-MTP.gguf"},
      {"Q4_K_M.gguf", "Q4_K_M-MTP.gguf"},
      {"Qwen3-Q3.5-mix.gguf", "Qwen3-Q3.5-mix-MTP.gguf"},
      {"model-Q4_K_M-imat.gguf", "model-Q4_K_M-imat-MTP.gguf"},
      {"model", "model-MTP.gguf"},
      {"model-Q4_0", "model-MTP-Q4_0.gguf"},
  };
  for (const auto& names : cases) {
    EXPECT_EQ(default_output_path(names.target), names.output);
  }
}

TEST(HeadFileName, IsWhatDownloadersLookFor) {
  struct Names {
    std::string model;
    std::string output;
  };
  const std::vector<Names> cases{
      {"Base-MTP-Q4_K_M.gguf", "mtp-Base-Q8_0.gguf"},
      {"mtp-Base-BF16.gguf", "mtp-Base-Q8_0.gguf"},
      {"dir/MTP-Base.Q6_K.gguf", "mtp-Base-Q8_0.gguf"},
      {"Base-UD-Q4_K_XL-mtp.gguf", "mtp-Base-Q8_0.gguf"},
      {"Base-MTP-Q8_0-00001-of-00003.gguf", "mtp-Base-Q8_0.gguf"},
      {"/models/Base", "mtp-Base-Q8_0.gguf"},
      {"Qwen3.5-9B", "mtp-Qwen3.5-9B-Q8_0.gguf"},
      {"Base/model.safetensors", "mtp-Base-Q8_0.gguf"},
      {"Base/model-00002-of-00004.safetensors", "mtp-Base-Q8_0.gguf"},
      {"Base/mtp.safetensors", "mtp-Base-Q8_0.gguf"},
      {"dir/Other.safetensors", "mtp-Other-Q8_0.gguf"},
      {"hub/models--Qwen--Qwen3.5-9B", "mtp-Qwen3.5-9B-Q8_0.gguf"},
      {"hub/models--Qwen--Qwen3.5-9B/snapshots/0123456789abcdef0123456789abcdef01234567", "mtp-Qwen3.5-9B-Q8_0.gguf"},
      {"hub/models--Q--Base/snapshots/0123456789abcdef0123456789abcdef01234567/mtp.safetensors", "mtp-Base-Q8_0.gguf"},
      {"0123456789abcdef0123456789abcdef01234567", "mtp-model-Q8_0.gguf"},
      {"mtp.gguf", "mtp-model-Q8_0.gguf"},
      {"mtp.safetensors", "mtp-model-Q8_0.gguf"},
      {"/model.safetensors", "mtp-model-Q8_0.gguf"},
      {"a b:c-Q8_0.gguf", "mtp-a-b-c-Q8_0.gguf"},
      {"", "mtp-model-Q8_0.gguf"},
  };
  for (const auto& names : cases) {
    EXPECT_EQ(head_file_name(names.model, "Q8_0"), names.output) << names.model;
  }
}

TEST(HeadFileName, IsItsOwnModelsName) {
  EXPECT_EQ(head_file_name(head_file_name("Base-MTP-Q4_K_M.gguf", "BF16"), "BF16"), "mtp-Base-BF16.gguf");
}

TEST(DefaultOutputPath, StaysInTheFolderOfTheTarget) {
  EXPECT_EQ(default_output_path("/models/a-Q4_0.b/model-Q6_K.gguf"), "/models/a-Q4_0.b/model-MTP-Q6_K.gguf");
  EXPECT_EQ(default_output_path("../model.gguf"), "../model-MTP.gguf");
  EXPECT_EQ(default_output_path("./model.gguf"), "./model-MTP.gguf");
}

// llama.cpp's -hf takes files with "mtp-" in lower case for sidecars.
TEST(DefaultOutputPath, HasMtpOnlyOnceWhereverItStands) {
  for (const std::string name : {"MTP-Model-Q4_0.gguf", "Model-MTP-Q4_0.gguf", "Model-MTP.gguf"}) {
    EXPECT_EQ(default_output_path(name), name);
  }
}

TEST(DefaultOutputPath, IsNoSidecarName) {
  EXPECT_EQ(default_output_path("x-q4_0.gguf").find("mtp-"), std::string::npos);
}

TEST(DefaultOutputPath, NamesTheFirstOfSeveralFiles) {
  EXPECT_EQ(default_output_path("a/X-Q4_K_M-00001-of-00003.gguf", 4), "a/X-MTP-Q4_K_M-00001-of-00004.gguf");
  EXPECT_EQ(default_output_path("X-Q4_K_M-00001-of-00003.gguf"), "X-MTP-Q4_K_M.gguf");
  EXPECT_EQ(default_output_path("X-Q4_K_M.gguf", 2), "X-MTP-Q4_K_M-00001-of-00002.gguf");
  EXPECT_EQ(first_output_path("out", 4), "out-00001-of-00004.gguf");
  EXPECT_EQ(first_output_path("a.gguf", 4), "a-00001-of-00004.gguf");
  EXPECT_EQ(first_output_path("a-00001-of-00004.gguf", 4), "a-00001-of-00004.gguf");
  EXPECT_EQ(first_output_path("out", 1), "out");
}

TEST(DefaultOutputPath, TakesUpperCaseAndUnfinishedDownloadsForPlainNames) {
  for (const std::string ending : {"GGUF", "Gguf", "gguf.part", "GGUF.PART", "gguf.incomplete", "gguf.crdownload",
                                   "gguf.downloadInProgress", "gguf.aria2", "gguf.!qB", "gguf.tmp.part"}) {
    EXPECT_EQ(default_output_path("a/X-Q4_K_M." + ending), "a/X-MTP-Q4_K_M.gguf") << ending;
  }
  EXPECT_EQ(quantisation_in_name("X-MTP-Q6_K.GGUF"), "Q6_K");
  EXPECT_EQ(quantisation_in_name("X-q6_k.gguf.part"), "q6_k");
  EXPECT_EQ(default_output_path("a/X-Q4_K_M-00001-OF-00003.GGUF", 4), "a/X-MTP-Q4_K_M-00001-of-00004.gguf");
  EXPECT_EQ(first_output_path("OUT.GGUF", 4), "OUT-00001-of-00004.gguf");
  EXPECT_EQ(first_output_path("OUT-00001-of-00004.GGUF", 4), "OUT-00001-of-00004.gguf");
  EXPECT_EQ(first_output_path("OUT.GGUF", 1), "OUT.GGUF");
  // Nothing of a name is left without them.
  EXPECT_EQ(default_output_path("a/.gguf"), "a/.gguf-MTP.gguf");
  EXPECT_EQ(default_output_path("a/.part"), "a/.part-MTP.gguf");
}

const std::string kDigest(64, 'a');

TEST(NamingPath, IsTheTargetsOwnUnlessItIsStoredUnderADigest) {
  EXPECT_EQ(naming_path("a/X.gguf", "a/X.gguf", "Name"), "a/X.gguf");
  EXPECT_EQ(naming_path("a/X.gguf", "/store/Y.gguf", "Name"), "a/X.gguf");
  EXPECT_EQ(naming_path("blobs/X.gguf", "blobs/X.gguf", "Name"), "blobs/X.gguf");
  EXPECT_EQ(naming_path("a/X.gguf", "/store/blobs.old/Y", "Name"), "a/X.gguf");
  EXPECT_EQ(naming_path("a/X.gguf", "/store/blobs", "Name"), "a/X.gguf");
  EXPECT_EQ(naming_path("X-" + kDigest + ".gguf", "X-" + kDigest + ".gguf", "Name"), "X-" + kDigest + ".gguf");
}

TEST(NamingPath, IsTheLinksNameWithoutDirectory) {
  EXPECT_EQ(naming_path("a/X.gguf", "/hub/blobs/" + kDigest, "Name"), "X.gguf");
  EXPECT_EQ(naming_path("a/X.gguf", "/hub/blobs/sha256/ab/anything", "Name"), "X.gguf");
  EXPECT_EQ(naming_path("a/X-00001-of-00003.gguf", "/store/" + kDigest, "Name"), "X-00001-of-00003.gguf");
}

TEST(NamingPath, IsTheModelsNameWhereTheTargetHasNone) {
  struct Names {
    std::string model;
    std::string path;
  };
  const std::vector<Names> cases{
      {"Qwen3.6 27B", "Qwen3.6-27B.gguf"},
      {"Model.gguf", "Model.gguf"},
      {"../../etc/passwd", "etc-passwd.gguf"},
      {"...", "model.gguf"},
      {"", "model.gguf"},
      {kDigest, "model.gguf"},
      {"-rf", "rf.gguf"},
      {R"(a\b:c*d?e"f<g>h|i)", "a-b-c-d-e-f-g-h-i.gguf"},
      {"two  spaces ", "two-spaces.gguf"},
      {std::string("a\nb\0c", 5), "a-nb-x00c.gguf"},
      {std::string(500, 'n'), std::string(120, 'n') + ".gguf"},
      {std::string(119, 'n') + "\u00e9", std::string(119, 'n') + ".gguf"},
  };
  for (const auto& [model, path] : cases) {
    EXPECT_EQ(naming_path("ollama/blobs/sha256-" + kDigest, "ollama/blobs/sha256-" + kDigest, model), path) << model;
    EXPECT_EQ(naming_path(kDigest, "/store/" + kDigest, model), path) << model;
  }
}

TEST(QuantisationInName, IsWhatStandsBehindTheLastSeparator) {
  EXPECT_EQ(quantisation_in_name("dir-Q8_0/X-MTP-Q6_K.gguf"), "Q6_K");
  EXPECT_EQ(quantisation_in_name("X.UD-q4_k_xl.gguf"), "UD-q4_k_xl");
  EXPECT_EQ(quantisation_in_name("X-Q6_K-00001-of-00003.gguf"), "Q6_K");
  EXPECT_EQ(quantisation_in_name("X.Q6_K"), "Q6_K");
  EXPECT_EQ(quantisation_in_name("X-27B.gguf"), "");
}

}  // namespace
}  // namespace mtpgraft
