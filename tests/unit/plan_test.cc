#include "mtpgraft/plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "edit_gguf.h"
#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"

namespace mtpgraft {
namespace {

std::vector<std::string> target_names() {
  return {std::string(kTarget),         "target-placeholder",
          "target-recurrent-layers",    "target-placeholder-recurrent-layers",
          "target-head-count-kv-array", "target-align-64",
          "target-align-4096",          "target-v2",
          "target-shuffled-keys",       "target-odd-keys",
          "target-trailing-bytes",      "target-unpadded-end",
          "target-with-head",           "target-with-head-first",
          "target-undeclared-head",     "target-broken-head",
          "target-head-norms-f16",      "target-odd-sizes"};
}

std::vector<std::string> donor_names() {
  return {std::string(kDonor),          "mtp-base-8L-Q4_K_M", "head-only-base-8L-BF16", "donor-norms-bf16",
          "donor-norms-q8_0",           "donor-align-64",     "donor-head-first-order", "donor-own-embeddings",
          "donor-tensors-only-no-keys", "donor-unknown-type"};
}

bool is_header_padding(const Region& region, const Plan& plan) {
  return region.kind == Region::Kind::kPadding && region.offset + region.length == plan.files.front().data_offset;
}

// Checks what holds for every plan: both lists tile the output, sources are inside their files, and regions are named.
void expect_sound(const Plan& plan, const Model& target, const Model& donor) {
  std::uint64_t at = 0;
  for (const auto& segment : plan.files.front().segments) {
    EXPECT_GT(segment_length(segment), 0U);
    if (const auto* copy = std::get_if<Copy>(&segment)) {
      const auto size = copy->source == Source::kTarget ? target.gguf.size : donor.gguf.size;
      EXPECT_LE(copy->offset + copy->length, size);
    }
    at += segment_length(segment);
  }
  EXPECT_EQ(at, plan.files.front().output_size);
  at = 0;
  std::string before;
  for (const auto& region : plan.files.front().regions) {
    EXPECT_EQ(region.offset, at);
    EXPECT_GT(region.length, 0U) << region.name;
    EXPECT_EQ(region.name.empty(), region.kind == Region::Kind::kCounts || is_header_padding(region, plan));
    if (region.kind == Region::Kind::kPadding && !region.name.empty()) {
      EXPECT_EQ(region.name, before);
    }
    before = region.name;
    at += region.length;
  }
  EXPECT_EQ(at, plan.files.front().output_size);
}

// Checks the graft against its sources, tensor by tensor and key by key, as any reader would find them.
void expect_faithful(const Plan& plan, const Model& target, const Model& donor) {
  const auto graft = parse_model("graft.gguf", spell(plan, target, donor));
  const auto data = [](const Model& model, const TensorInfo& tensor) {
    return std::span(model.bytes()).subspan(tensor.offset, tensor.size_bytes);
  };
  EXPECT_EQ(graft.gguf.data_offset, plan.files.front().data_offset);
  EXPECT_EQ(graft.gguf.data_end, plan.files.front().output_size);
  EXPECT_EQ(graft.gguf.alignment, target.gguf.alignment);
  EXPECT_EQ(graft.gguf.version, target.gguf.version);
  ASSERT_EQ(graft.gguf.tensors.size(), plan.files.front().tensor_count);
  for (const auto& tensor : target.gguf.tensors) {
    if (std::ranges::count(plan.removed_tensors, tensor.name) == 0) {
      const auto* kept = graft.gguf.find_tensor(tensor.name);
      ASSERT_NE(kept, nullptr) << tensor.name;
      EXPECT_EQ(kept->shape, tensor.shape);
      EXPECT_EQ(kept->type, tensor.type);
      EXPECT_TRUE(std::ranges::equal(data(graft, *kept), data(target, tensor))) << tensor.name;
    }
  }
  for (const auto& head : plan.head_tensors) {
    const auto* ours = graft.gguf.find_tensor(head.name);
    const auto* theirs = donor.gguf.find_tensor(head.donor_name);
    ASSERT_TRUE(ours != nullptr && theirs != nullptr) << head.name;
    EXPECT_EQ(ours->offset, head.info.offset);
    EXPECT_EQ(ours->shape, theirs->shape);
    if (ours->type == theirs->type) {
      EXPECT_TRUE(std::ranges::equal(data(graft, *ours), data(donor, *theirs))) << head.name;
    } else {
      EXPECT_TRUE(theirs->is_vector() && ours->type == 0) << head.name;
    }
  }
  for (const auto& item : target.gguf.keys) {
    const bool is_changed = std::ranges::count(plan.key_changes, item.key, &KeyChange::key) != 0;
    const auto* ours = graft.gguf.find_key(item.key);
    ASSERT_NE(ours, nullptr) << item.key;
    EXPECT_NE(ours->same_value(item), is_changed || item.key == "mtpgraft.record") << item.key;
  }
}

TEST(Plan, TilesTheOutputAndKeepsEveryByteForEveryPair) {
  std::vector<Model> donors;
  for (const auto& name : donor_names()) {
    donors.push_back(load_model(name));
  }
  for (const auto& name : target_names()) {
    const auto target = load_model(name);
    for (const auto& donor : donors) {
      SCOPED_TRACE(fmt::format("{} + {}", name, donor.gguf.path));
      for (const bool record : {true, false}) {
        const auto options = record ? graft_options(target, donor, true) : without_record(true);
        const auto plan = try_plan(target, donor, options);
        if (donor.gguf.path == "donor-unknown-type.gguf") {
          EXPECT_THAT(plan, FailsWith(ErrorCode::kIncompatible, "#199"));
          continue;
        }
        ASSERT_THAT(plan, IsOk());
        expect_sound(plan.value(), target, donor);
      }
    }
    expect_faithful(make_plan(target, donors[0], graft_options(target, donors[0], true)), target, donors[0]);
  }
}

TEST(Plan, KeepsEveryByteForEveryDonor) {
  const auto target = load_model("target-unpadded-end");
  for (const auto& name : donor_names()) {
    if (name != "donor-unknown-type") {
      SCOPED_TRACE(name);
      const auto donor = load_model(name);
      expect_faithful(make_plan(target, donor), target, donor);
    }
  }
}

TEST(Plan, CopiesTheBodyInOnePiece) {
  for (const auto name : {kTarget, std::string_view("target-align-4096"), std::string_view("target-trailing-bytes")}) {
    const auto target = load_model(name);
    const auto plan = make_plan(target, load_model(kDonor));
    std::vector<Copy> copies;
    for (const auto& segment : plan.files.front().segments) {
      const auto* copy = std::get_if<Copy>(&segment);
      if (copy != nullptr && copy->source == Source::kTarget && copy->offset + copy->length > target.gguf.data_offset) {
        copies.push_back(*copy);
      }
    }
    ASSERT_EQ(copies.size(), 1U);
    EXPECT_EQ(copies[0].offset, target.gguf.data_offset);
    EXPECT_EQ(copies[0].length, target.gguf.data_end - target.gguf.data_offset);
  }
}

// Only what changes is spelled out: counts, block_count, the new keys, infos and converted norms.
TEST(Plan, CopiesUnchangedKeysAndInfos) {
  const auto target = load_model(kTarget);
  const auto plan = make_plan(target, load_model(kDonor), without_record());
  std::vector<Copy> copies;
  std::uint64_t literal_bytes = 0;
  for (const auto& segment : plan.files.front().segments) {
    if (const auto* copy = std::get_if<Copy>(&segment)) {
      copies.push_back(*copy);
    } else if (const auto* literal = std::get_if<Literal>(&segment)) {
      literal_bytes += literal->bytes.size();
    }
  }
  const auto* block_count = target.gguf.find_arch_key("block_count");
  EXPECT_EQ(copies[0].offset, target.gguf.keys.front().offset);
  EXPECT_EQ(copies[0].offset + copies[0].length, block_count->offset);
  EXPECT_EQ(copies[1].offset, block_count->end);
  EXPECT_EQ(copies[1].offset + copies[1].length, target.gguf.keys.back().end);
  EXPECT_EQ(copies[2].offset, target.gguf.tensors.front().info_offset);
  EXPECT_EQ(copies[2].offset + copies[2].length, target.gguf.infos_end);
  EXPECT_LT(literal_bytes, 1500U);
}

TEST(Plan, TellsWhatChanges) {
  const auto plan = make_plan(load_model(kTarget), load_model(kDonor));
  ASSERT_EQ(plan.key_changes.size(), 3U);
  EXPECT_EQ(plan.key_changes[0].key, "qwen35.block_count");
  EXPECT_EQ(plan.key_changes[0].type, "u32");
  EXPECT_EQ(plan.key_changes[0].from, "12");
  EXPECT_EQ(plan.key_changes[0].to, "13");
  EXPECT_EQ(plan.key_changes[1].key, "qwen35.nextn_predict_layers");
  EXPECT_EQ(plan.key_changes[1].from, "");
  EXPECT_EQ(plan.key_changes[1].to, "1");
  EXPECT_EQ(plan.key_changes[2].key, "mtpgraft.record");
  EXPECT_EQ(plan.key_changes[2].type, "string");
  EXPECT_EQ(plan.key_changes[2].from, "");
  EXPECT_EQ(plan.first_head_block, 12U);
  EXPECT_EQ(plan.head_block_count, 1U);
  EXPECT_EQ(plan.files.front().tensor_count, 162U + 15U);
  EXPECT_EQ(plan.head_tensors.size(), 15U);
  EXPECT_EQ(plan.head_tensors.front().name, "blk.12.attn_k.weight");
  EXPECT_EQ(plan.head_tensors.front().donor_name, "blk.8.attn_k.weight");
  EXPECT_TRUE(plan.warnings.empty());
  std::uint64_t bytes = 0;
  for (const auto& head : plan.head_tensors) {
    bytes += head.info.size_bytes;
  }
  EXPECT_EQ(plan.head_bytes, bytes);
}

TEST(Plan, ChangesOnlyTheHeadOfAPlaceholder) {
  const auto plan = make_plan(load_model("target-placeholder"), load_model(kDonor), without_record());
  EXPECT_TRUE(plan.key_changes.empty());
  EXPECT_EQ(plan.first_head_block, 12U);
  EXPECT_EQ(plan.files.front().tensor_count, 162U + 15U);
}

TEST(Plan, LengthensPerLayerArrays) {
  const auto plan =
      make_plan(load_model("target-recurrent-layers"), load_model("donor-recurrent-layers"), without_record());
  ASSERT_EQ(plan.key_changes.size(), 3U);
  EXPECT_EQ(plan.key_changes[2].key, "qwen35.attention.recurrent_layers");
  EXPECT_EQ(plan.key_changes[2].from, "12 entries");
  EXPECT_EQ(plan.key_changes[2].to, "13 entries, the head's: false");
}

TEST(Plan, ConvertsNormsToF32) {
  for (const std::string name : {"donor-norms-bf16", "donor-norms-f16", "donor-norms-q8_0"}) {
    const auto plan = make_plan(load_model(kTarget), load_model(name));
    for (const auto& head : plan.head_tensors) {
      EXPECT_TRUE(!head.info.is_vector() || head.info.type == 0) << head.name;
      EXPECT_TRUE(!head.info.is_vector() || head.donor_type != 0) << head.name;
    }
  }
}

TEST(Plan, NeedsNoNameForTheArchitecture) {
  const auto renamed = [](std::string_view name, std::string_view architecture) {
    auto model = load_model(name);
    rename_architecture(model.gguf, architecture);
    return model;
  };
  const auto target = renamed(kTarget, "future9");
  const auto donor = renamed("donor-two-heads", "future9");
  const auto plan = make_plan(target, donor);
  EXPECT_EQ(plan.head_block_count, 2U);
  EXPECT_EQ(plan.key_changes[0].key, "future9.block_count");
  EXPECT_EQ(plan.key_changes[0].to, "14");
  EXPECT_EQ(plan.key_changes[1].to, "2");
  EXPECT_EQ(plan.head_tensors.front().name, "blk.12.attn_k.weight");
  EXPECT_EQ(plan.head_tensors.back().name, "blk.13.post_attention_norm.weight");
  expect_sound(plan, target, donor);
  ASSERT_EQ(plan.warnings.size(), 1U);
  EXPECT_EQ(plan.warnings[0].id, "architecture-unknown");
}

TEST(Plan, ReplacesAHead) {
  const auto donor = load_model(kDonor);
  for (const std::string name : {"target-with-head", "target-with-head-first"}) {
    SCOPED_TRACE(name);
    const auto target = load_model(name);
    const auto plan = make_plan(target, donor, without_record(true));
    EXPECT_EQ(plan.removed_tensors.size(), 15U);
    EXPECT_EQ(plan.files.front().tensor_count, 162U + 15U);
    EXPECT_TRUE(plan.key_changes.empty());
  }
}

// A head in the place of another leaves nothing of the first, and nothing tells that there were two grafts.
TEST(Plan, GraftingTwiceEqualsGraftingOnce) {
  const auto target = load_model(kTarget);
  const auto first_donor = load_model("mtp-base-8L-Q8_0");
  const auto donor = load_model(kDonor);
  const auto once = spell(make_plan(target, donor), target, donor);
  auto first = parse_model("first.gguf", spell(make_plan(target, first_donor), target, first_donor));
  const auto twice = spell(make_plan(first, donor, graft_options(first, donor, true)), first, donor);
  EXPECT_EQ(once, twice);
  const auto same = parse_model("same.gguf", once);
  EXPECT_EQ(spell(make_plan(same, donor, graft_options(same, donor, true)), same, donor), once);
}

TEST(Plan, IsTheSameEveryTime) {
  const auto target = load_model("target-odd-keys");
  const auto donor = load_model(kDonor);
  EXPECT_EQ(spell(make_plan(target, donor), target, donor), spell(make_plan(target, donor), target, donor));
}

}  // namespace
}  // namespace mtpgraft
