#include <fmt/core.h>

#include <algorithm>

#include "edit_gguf.h"
#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/verify.h"

namespace mtpgraft {
namespace {

VerifyReport verify(const ReadableFile& file) {
  const auto gguf = parse_gguf(file);
  EXPECT_THAT(gguf, IsOk());
  const auto report = verify_alone({share(file), gguf.value()}, keep_going);
  EXPECT_THAT(report, IsOk());
  return report.value();
}

std::string first_finding(const VerifyReport& report) {
  return report.ok() ? "no finding" : report.findings.front().message;
}

const Model& graft() {
  static const Model result = graft_model(load_model("target-recurrent-layers"), load_model(kDonor));
  return result;
}

MemoryFile flipped(const Model& model, std::uint64_t offset) {
  auto bytes = model.bytes();
  bytes[offset] ^= std::byte{0x20};
  return {"flipped.gguf", std::move(bytes)};
}

TEST(VerifyAlone, AcceptsAGraft) {
  const auto report = verify(*graft().file);
  EXPECT_TRUE(report.ok()) << first_finding(report);
  EXPECT_THAT(report.notes, testing::Contains(testing::HasSubstr("fit the record's digest")));
  EXPECT_THAT(report.notes, testing::Contains("grafted by mtpgraft 0.1.0 from 'mtp-base-8L-BF16.gguf' into "
                                              "'target-recurrent-layers.gguf'"));
}

TEST(VerifyAlone, AcceptsEveryKindOfDonorThatAGraftTakes) {
  const auto target = load_model("target-head-count-kv-array");
  for (const std::string name : {"donor-norms-bf16", "donor-norms-q8_0", "donor-own-embeddings", "donor-align-64",
                                 "donor-head-first-order", "donor-tensors-only-no-keys"}) {
    const auto report = verify(*graft_model(target, load_model(name)).file);
    EXPECT_TRUE(report.ok()) << name << ": " << first_finding(report);
  }
}

TEST(VerifyAlone, FindsAFlippedByteOfTheHeadByTheRecordsDigest) {
  const auto& model = graft();
  for (const auto& tensor : model.gguf.tensors) {
    if (tensor.name.starts_with("blk.12.")) {
      const auto report = verify(flipped(model, tensor.offset + tensor.size_bytes / 2));
      ASSERT_EQ(report.findings.size(), 1U) << tensor.name;
      EXPECT_THAT(report.findings[0].message, testing::HasSubstr("the record says"));
      EXPECT_EQ(report.findings[0].offset, model.gguf.find_tensor("blk.12.attn_k.weight")->offset);
    }
  }
}

TEST(VerifyAlone, FindsADamagedRecord) {
  const auto& model = graft();
  const auto* record = model.gguf.find_key("mtpgraft.record");
  const auto report = verify(flipped(model, record->value_offset + 30));
  EXPECT_THAT(first_finding(report), testing::HasSubstr("'mtpgraft.record' is damaged"));
  EXPECT_EQ(report.findings[0].offset, record->offset);
}

TEST(VerifyAlone, FindsARecordOfAnotherHead) {
  const auto bytes =
      GgufBuilder(graft().bytes(), graft().gguf).without_tensor("blk.12.nextn.shared_head_norm.weight").build();
  EXPECT_THAT(first_finding(verify(MemoryFile("x.gguf", bytes))),
              testing::HasSubstr("the record tells of a head of 15 tensors"));
}

TEST(VerifyAlone, SaysWhatItCannotCheckWithoutARecord) {
  const auto report = verify(*load_model("target-with-head").file);
  EXPECT_TRUE(report.ok()) << first_finding(report);
  EXPECT_TRUE(report.has_no_record);
}

TEST(VerifyAlone, FindsNormsThatAbortTheFirstDraft) {
  const auto report = verify(*load_model("target-head-norms-f16").file);
  // attn_norm, attn_q_norm, attn_k_norm, post_attention_norm, enorm, hnorm, shared_head_norm.
  EXPECT_EQ(report.findings.size(), 7U);
  EXPECT_THAT(first_finding(report), testing::HasSubstr("has one dimension and type F16"));
}

TEST(VerifyAlone, FindsArraysThatLackTheHeadsEntry) {
  const auto bytes =
      GgufBuilder(graft().bytes(), graft().gguf)
          .key("qwen35.attention.recurrent_layers",
               std::vector<bool>{true, true, true, false, true, true, true, false, true, true, true, false})
          .build();
  const auto report = verify(MemoryFile("x.gguf", bytes));
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].message, "key 'qwen35.attention.recurrent_layers' has 12 entries, llama.cpp wants 13");
}

TEST(VerifyAlone, FindsArraysOfAnyOtherLength) {
  const auto bytes = GgufBuilder(graft().bytes(), graft().gguf)
                         .key("qwen35.attention.head_count_kv", std::vector<std::uint32_t>(14, 2))
                         .build();
  EXPECT_THAT(first_finding(verify(MemoryFile("x.gguf", bytes))), testing::HasSubstr("has 14 entries"));
}

TEST(VerifyAlone, FindsAHeadThatIsNotThere) {
  EXPECT_THAT(first_finding(verify(*load_model(kTarget).file)), testing::HasSubstr("no head"));
  EXPECT_THAT(first_finding(verify(*load_model("target-placeholder").file)),
              testing::HasSubstr("declares a head at blk.12"));
}

TEST(VerifyAlone, FindsWhatIsBroken) {
  EXPECT_THAT(first_finding(verify(*load_model("target-broken-head").file)),
              testing::HasSubstr("the head lacks 'blk.12.nextn.eh_proj.weight'"));
  EXPECT_THAT(first_finding(verify(*load_model("target-undeclared-head").file)),
              testing::HasSubstr("no key 'qwen35.nextn_predict_layers'"));
}

TEST(VerifyAlone, FindsTypesThatNobodyReads) {
  auto model = load_model(kDonor);
  edit_tensor(model.gguf, "token_embd.weight").type = 199;
  const auto report = verify_alone({share(*model.file), model.gguf}, keep_going);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(first_finding(report.value()), testing::HasSubstr("'token_embd.weight' has type #199"));
}

TEST(VerifyAlone, FindsShapesThatDoNotFit) {
  const auto model = load_model("target-with-head");
  const auto bytes = GgufBuilder(model.bytes(), model.gguf)
                         .without_tensor("blk.12.attn_k_norm.weight")
                         .floats("blk.12.attn_k_norm.weight", {32})
                         .build();
  EXPECT_THAT(first_finding(verify(MemoryFile("x.gguf", bytes))), testing::HasSubstr("has shape [32, 1, 1, 1]"));
}

TEST(VerifyAlone, TakesADonorForWhatItIs) {
  const auto report = verify(*load_model("head-only-base-8L-BF16").file);
  EXPECT_TRUE(report.ok());
  EXPECT_THAT(report.notes,
              testing::Contains("a head at blk.8 without a trunk: its shapes are checked when it is grafted"));
}

TEST(VerifyAlone, IsNoAnswerForAShard) {
  EXPECT_THAT(verify_alone(opened(load_model("target-shard")), keep_going),
              FailsWith(ErrorCode::kUnsupported, "split"));
}

TEST(VerifyAlone, StopsWhenProgressSaysSo) {
  EXPECT_THAT(verify_alone(opened(graft()), [](std::uint64_t) { return false; }),
              FailsWith(ErrorCode::kInterrupted, ""));
}

TEST(VerifyAlone, OrdersFindingsByOffset) {
  const auto bytes = GgufBuilder(load_model("target-head-norms-f16").bytes(), load_model("target-head-norms-f16").gguf)
                         .key("qwen35.attention.head_count_kv", std::vector<std::uint32_t>(12, 2))
                         .build();
  const auto report = verify(MemoryFile("x.gguf", bytes));
  EXPECT_EQ(report.findings.size(), 8U);
  EXPECT_TRUE(std::ranges::is_sorted(report.findings, {}, &Finding::offset));
}

}  // namespace
}  // namespace mtpgraft
