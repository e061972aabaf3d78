// Where the bytes of a graft come to lie: the same as in an independent implementation, and at the phase at which file
// systems can share them.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "edit_gguf.h"
#include "gguf/serialize.h"
#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/execute.h"

namespace mtpgraft {
namespace {

TEST(PlanReference, EqualsTheIndependentGraftByteForByte) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(FIXTURES_DIR) / "reference")) {
    const auto name = entry.path().stem().string();
    SCOPED_TRACE(name);
    const auto plus = name.find('+');
    const auto target = load_model(name.substr(0, plus));
    const auto donor = load_model(name.substr(plus + 1));
    const auto bytes = spell(make_file_plan(target, donor, without_record()), target, donor);
    // Not EXPECT_EQ, which would print megabytes.
    EXPECT_TRUE(bytes == read_bytes(entry.path()));
    ++count;
  }
  EXPECT_GT(count, 60U);
}

TEST(PlanReference, EqualsOtherwiseMadeGrafts) {
  const auto target = load_model(kTarget);
  const auto donor = load_model("mtp-base-8L-Q8_0");
  const auto grafted = load_model("target-with-head");
  EXPECT_TRUE(spell(make_file_plan(target, donor, without_record()), target, donor) == grafted.bytes());
  // Taken out and put in again, wherever it lay.
  EXPECT_TRUE(spell(make_file_plan(grafted, donor, without_record(true)), grafted, donor) == grafted.bytes());
  const auto head_first = load_model("target-with-head-first");
  EXPECT_TRUE(spell(make_file_plan(head_first, donor, without_record(true)), head_first, donor) == grafted.bytes());
}

const KeyValue& record_of(const Model& graft) {
  const auto* item = graft.gguf.find_key("mtpgraft.record");
  if (item == nullptr) {
    throw std::runtime_error("no record");
  }
  return *item;
}

TEST(PlanCongruence, KeepsThePhaseOfTheBodyForEveryHeaderLength) {
  const auto plain = load_model("golden/tiny-qwen35-target");
  const auto donor = load_model("golden/tiny-qwen35-donor");
  for (const std::uint32_t alignment : {8U, 16U, 32U, 64U, 4096U, 8192U}) {
    for (std::size_t length = 0; length <= 200; ++length) {
      SCOPED_TRACE(fmt::format("alignment {}, {} more bytes", alignment, length));
      auto builder = GgufBuilder(plain.bytes(), plain.gguf).key("filler", std::string(length, 'f'));
      const auto target = parse_model("target.gguf", builder.alignment(alignment).build());
      const auto graft = graft_model(target, donor);
      ASSERT_EQ(graft.gguf.data_offset % 4096, target.gguf.data_offset % 4096);
      ASSERT_EQ(graft.gguf.data_offset % alignment, 0U);
      const auto text = record_of(graft).text();
      ASSERT_TRUE(text);
      ASSERT_TRUE(nlohmann::json::accept(*text)) << *text;
    }
  }
}

// The steps have no factor in common with the blocks, so that headers end everywhere in one.
TEST(PlanCongruence, LetsFileSystemsShareAllOfTheBodyButItsEnds) {
  const auto plain = load_model("golden/tiny-qwen35-target");
  const auto donor = load_model("golden/tiny-qwen35-donor");
  for (const std::uint32_t alignment : {8U, 16U, 32U, 64U, 4096U, 65536U}) {
    for (std::size_t length = 0; length <= 4096; length += alignment < 4096 ? 23 : 211) {
      SCOPED_TRACE(fmt::format("alignment {}, {} more bytes", alignment, length));
      auto builder = GgufBuilder(plain.bytes(), plain.gguf).key("filler", std::string(length, 'f'));
      builder.tensor("filler.weight", {20'000}, 0, 80'000);
      const auto target = parse_model("target.gguf", builder.alignment(alignment).build());
      const auto plan = make_file_plan(target, donor);
      const auto body = plan_body(plan);
      ASSERT_EQ(body.source_offset, target.gguf.data_offset);
      ASSERT_EQ(body.length, target.gguf.size - target.gguf.data_offset);
      const auto part = clonable_part(body);
      ASSERT_LT(body.length - part.length, 2 * kCloneBlockBytes);
      // Inserting blocks at the front of the file itself needs it too.
      ASSERT_GE(body.offset, body.source_offset);
      ASSERT_EQ((body.offset - body.source_offset) % kCloneBlockBytes, 0U);
    }
  }
}

TEST(PlanCongruence, KeepsThePhaseOfTheOriginalThroughReplacements) {
  const auto target = load_model(kTarget);
  const auto once = graft_model(target, load_model(kDonor));
  const auto donor = load_model("donor-own-embeddings");
  const auto twice = graft_model(once, donor, graft_options(once, donor, true));
  EXPECT_EQ(twice.gguf.data_offset % 4096, target.gguf.data_offset % 4096);
}

TEST(PlanCongruence, CostsNothingWithoutARecord) {
  const auto target = load_model(kTarget);
  const auto graft = graft_model(target, load_model(kDonor), without_record());
  EXPECT_EQ(graft.gguf.find_key("mtpgraft.record"), nullptr);
  EXPECT_LT(graft.gguf.data_offset - graft.gguf.infos_end, 32U);
}

TEST(PlanRecord, TellsHowToUndoTheGraft) {
  const auto target = load_model("target-head-count-kv-array");
  const auto graft = graft_model(target, load_model(kDonor));
  const auto json = nlohmann::json::parse(*record_of(graft).text());
  EXPECT_EQ(json["target"]["file"], "target-head-count-kv-array.gguf");
  EXPECT_EQ(json["target"]["size"], target.gguf.size);
  EXPECT_EQ(json["target"]["n_kv"], target.gguf.keys.size());
  EXPECT_EQ(json["target"]["n_tensors"], target.gguf.tensors.size());
  EXPECT_EQ(json["target"]["data_offset"], target.gguf.data_offset);
  EXPECT_EQ(json["keys"]["qwen35.block_count"], nlohmann::json::parse(R"({"type": "u32", "value": 12})"));
  EXPECT_EQ(json["keys"]["qwen35.nextn_predict_layers"], nullptr);
  EXPECT_EQ(json["keys"]["qwen35.attention.head_count_kv"]["value"], std::vector<int>(12, 2));
  EXPECT_EQ(json["keys"].size(), 3U);
  EXPECT_EQ(json["donor"]["file"], "mtp-base-8L-BF16.gguf");
  EXPECT_EQ(json["donor"]["blocks"], std::vector<int>{8});
  EXPECT_EQ(json["donor"]["name"], "tiny-qwen35-base-8L");
  EXPECT_EQ(json["head"]["blocks"], std::vector<int>{12});
  EXPECT_EQ(json["head"]["tensors"], 15);
}

// The key is kept up to 64 KiB when it is read, of which the padding may need a block: 60 KiB are left.
TEST(PlanRecord, IsRefusedWhereItCouldNotBeReadAgain) {
  const auto target = load_model(kTarget);
  const auto donor = load_model(kDonor);
  const auto plan_with = [&](std::size_t length) {
    auto options = graft_options(target, donor);
    options.edits = {{"general.description", string_value(std::string(length, 'x'))}};
    return try_plan(target, donor, options);
  };
  const auto bytes_of = [&](std::size_t length) {
    const auto made = parse_model("x", spell(plan_with(length).value(), target, donor));
    const auto text = *made.gguf.find_key("mtpgraft.record")->text();
    return text.find_last_not_of(' ') + 1;
  };
  constexpr std::size_t kBytesMax = 60 << 10;
  const auto longest = 1000 + kBytesMax - bytes_of(1000);
  EXPECT_EQ(bytes_of(longest), kBytesMax);
  const auto refused = plan_with(longest + 1);
  ASSERT_THAT(refused,
              FailsWith(ErrorCode::kUnsupported, "the record would have 61441 bytes, and 61440 are read again"));
  EXPECT_EQ(refused.error().remedy, Remedy::kOmitRecord);
}

TEST(PlanRecord, KeepsTheFirstTargetThroughReplacements) {
  const auto once = graft_model(load_model(kTarget), load_model(kDonor));
  const auto donor = load_model("mtp-base-8L-Q8_0");
  const auto twice = graft_model(once, donor, graft_options(once, donor, true));
  const auto before = nlohmann::json::parse(*record_of(once).text());
  const auto after = nlohmann::json::parse(*record_of(twice).text());
  EXPECT_EQ(after["target"], before["target"]);
  EXPECT_EQ(after["keys"], before["keys"]);
  EXPECT_EQ(after["donor"]["file"], "mtp-base-8L-Q8_0.gguf");
}

// Names in a file may be any bytes; JSON cannot hold them all.
TEST(PlanRecord, CopesWithInvalidUtf8) {
  auto target = load_model(kTarget);
  auto donor = load_model(kDonor);
  for (auto* model : {&target, &donor}) {
    set_text(model->gguf, "general.name", "\xc3 bad \xfe");
  }
  EXPECT_NO_THROW({ EXPECT_THAT(try_plan(target, donor), IsOk()); });
  for (auto* model : {&target, &donor}) {
    rename_architecture(model->gguf, "odd\xff");
  }
  EXPECT_THAT(try_plan(target, donor), FailsWith(ErrorCode::kUnsupported, "is not UTF-8, which the record needs"));
}

}  // namespace
}  // namespace mtpgraft
