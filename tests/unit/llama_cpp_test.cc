#include "report/llama_cpp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "edit_gguf.h"
#include "models.h"

namespace mtpgraft::report {
namespace {

using testing::StartsWith;

Summary summary_of(std::string_view name) { return summarise(load_model(name).gguf); }

TEST(LlamaCpp, IsToldOfWithWhatToDo) {
  for (const std::string_view name :
       {kTarget, std::string_view("target-placeholder"), kDonor, std::string_view("target-broken-head"),
        std::string_view("target-shard"), std::string_view("donor-tensors-only-no-keys")}) {
    const auto summary = summary_of(name);
    EXPECT_NE(describe_runtime(summary), "") << name;
    EXPECT_NE(describe_next_step(summary, "model.gguf"), "") << name;
  }
}

TEST(LlamaCpp, GetsCommandsThatCanBePasted) {
  EXPECT_THAT(describe_next_step(summary_of(kTarget), "a b.gguf"), StartsWith("mtpgraft graft 'a b.gguf' DONOR "));
  EXPECT_EQ(describe_next_step(summary_of("target-with-head"), "https://host/models/a.gguf"),
            "llama-server -m a.gguf --spec-type draft-mtp --spec-draft-n-max 2");
}

TEST(LlamaCpp, GetsACommandWithTheBaseModel) {
  auto model = load_model(kTarget);
  set_text(model.gguf, "general.base_model.0.repo_url", "https://huggingface.co/lab/A");
  EXPECT_EQ(describe_next_step(summarise(model.gguf), "a b.gguf"),
            "mtpgraft graft 'a b.gguf' --from-base puts in the head of the model that it was made of, hf://lab/A");
  EXPECT_THAT(describe_next_step(summarise(model.gguf), "a-MTP.gguf"),
              StartsWith("mtpgraft graft a-MTP.gguf --from-base -o NEW.gguf puts "));
  set_text(model.gguf, "general.base_model.1.repo_url", "lab/B");
  EXPECT_EQ(describe_next_step(summarise(model.gguf), "a.gguf"),
            "mtpgraft graft a.gguf DONOR puts a head in, taken from one of the models that it was made of\n"
            "mtpgraft graft a.gguf hf://lab/A\nmtpgraft graft a.gguf hf://lab/B");
}

TEST(LlamaCpp, IsToldWhatAModelIsMadeOf) {
  auto model = load_model(kTarget);
  set_text(model.gguf, "general.base_model.0.name", "Qwen3.5 9B");
  EXPECT_EQ(describe_verdict(summarise(model.gguf)), "no head; made of 'Qwen3.5 9B'");
  set_text(model.gguf, "general.base_model.0.organization", "Qwen");
  EXPECT_EQ(describe_verdict(summarise(model.gguf)),
            "no head; made of 'Qwen3.5 9B', by its name probably hf://Qwen/Qwen3.5-9B");
  EXPECT_THAT(describe_next_step(summarise(model.gguf), "a.gguf"),
              testing::EndsWith("by its name probably hf://Qwen/Qwen3.5-9B"));
  set_text(model.gguf, "general.base_model.1.repo_url", "https://hf.co/lab/B");
  EXPECT_THAT(describe_verdict(summarise(model.gguf)), testing::EndsWith(" and https://hf.co/lab/B"));
}

TEST(LlamaCpp, KnowsNoFileWithoutArchitecture) {
  EXPECT_EQ(describe_runtime({}),
            "v0.5.0 has no MTP code for this architecture, and may refuse such a file with a head");
}

TEST(LlamaCpp, IsToldOfInAVerdict) {
  EXPECT_EQ(describe_verdict(summary_of("target-base-model")),
            "no head; made of https://huggingface.co/x/tiny-qwen35-base-8l");
  EXPECT_EQ(describe_verdict(summary_of(kTarget)), "no head");
  EXPECT_EQ(describe_verdict(summary_of("target-with-head")), "drafts");
  EXPECT_EQ(describe_verdict(summary_of("target-placeholder")),
            "placeholder: a head is declared, and its tensors are missing");
  EXPECT_EQ(describe_verdict(summary_of("target-broken-head")), "broken head");
  EXPECT_EQ(describe_verdict(summary_of(kDonor)), "sidecar, complete: drafts beside its model");
  EXPECT_EQ(describe_verdict(summary_of("head-only-base-8L-BF16")),
            "head tensors without a model's keys, good as a donor only");
}

// Of names that it does not ask for, and of a vocabulary that it does not load.
TEST(LlamaCpp, IsNotSaidToDraftWithAForksHead) {
  auto sidecar = load_model(kDonor);
  edit_tensor(sidecar.gguf, "blk.8.nextn.eh_proj.weight").name = "blk.8.nextn.fc_embd.weight";
  auto& embedding = edit_tensor(sidecar.gguf, "blk.8.nextn.fc_embd.weight");
  embedding.shape[0] /= 2;
  embedding.size_bytes /= 2;
  sidecar.gguf.tensors.push_back(embedding);
  sidecar.gguf.tensors.back().name = "blk.8.nextn.fc_hidden.weight";
  const auto summary = summarise(sidecar.gguf);
  EXPECT_EQ(summary.head.state, HeadState::kSidecar);
  EXPECT_EQ(describe_verdict(summary), "head without trunk, good as a donor only");
  EXPECT_EQ(describe_next_step(summary, "model.gguf"), "it can be a graft's donor");

  auto trimmed = load_model(kDonor);
  trimmed.gguf.tensors.push_back({.name = "d2t", .n_dims = 1, .shape = {64, 1, 1, 1}, .type = 27});
  EXPECT_EQ(describe_next_step(summarise(trimmed.gguf), "model.gguf"), "");
}

TEST(LlamaCpp, IsNotSaidToDraftWithAFileThatItRefuses) {
  auto model = load_model("target-with-head");
  edit_tensor(model.gguf, "output.weight").name = "output_extra.weight";
  const auto unasked = summarise(model.gguf);
  EXPECT_FALSE(unasked.is_usable);
  EXPECT_EQ(describe_verdict(unasked), "has a head, and no known loader reads the file");
  EXPECT_THAT(describe_runtime(unasked), testing::HasSubstr("'output_extra.weight'"));

  model = load_model("target-with-head");
  set_array<std::uint32_t>(model.gguf, "qwen35.attention.head_count_kv", std::vector<std::uint32_t>(12, 2));
  const auto short_array = summarise(model.gguf);
  EXPECT_EQ(describe_verdict(short_array), "broken head");
  EXPECT_THAT(short_array.head.problems,
              testing::ElementsAre("key 'qwen35.attention.head_count_kv' has 12 entries, llama.cpp wants 13"));
}

TEST(LlamaCpp, TellsSidecarsApart) {
  const auto verdict_of = [](auto edit) {
    auto model = load_model(kDonor);
    edit(model.gguf);
    return describe_verdict(summarise(model.gguf));
  };
  EXPECT_THAT(verdict_of([](GgufFile& gguf) { set_scalar<bool>(gguf, "qwen35.nextn_shared_target_tensors", true); }),
              StartsWith("sidecar that borrows"));
  EXPECT_THAT(verdict_of([](GgufFile& gguf) { edit_tensor(gguf, "output.weight").name = "d2t"; }),
              StartsWith("sidecar with a trimmed vocabulary"));
  EXPECT_THAT(verdict_of([](GgufFile& gguf) { remove_tensor(gguf, "token_embd.weight"); }),
              StartsWith("head without trunk, good as a donor only"));
  EXPECT_THAT(verdict_of([](GgufFile& gguf) { rename_architecture(gguf, "unheard-of"); }),
              StartsWith("head without trunk, good as a donor only"));
}

}  // namespace
}  // namespace mtpgraft::report
