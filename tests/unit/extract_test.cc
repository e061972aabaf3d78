#include <fmt/core.h>

#include <algorithm>

#include "gguf/tensor_types.h"
#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/strip.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> donor_names() {
  return {std::string(kDonor),    "mtp-base-8L-Q4_K_M", "donor-norms-bf16",       "donor-norms-f16",
          "donor-norms-q8_0",     "donor-align-64",     "donor-head-first-order", "donor-no-shared-head-norm",
          "donor-own-embeddings", "target-with-head",   "target-with-head-first", "donor-recurrent-layers"};
}

Result<Plan> try_extract(const Model& donor, const Model* target, ExtractForm form) {
  return make_extract_plan(donor.gguf, head_data_of(donor), target != nullptr ? &target->gguf : nullptr, form);
}

Plan extract_plan(const Model& donor, const Model* target, ExtractForm form) {
  auto plan = try_extract(donor, target, form);
  if (!plan.ok()) {
    throw std::runtime_error(describe(plan.error()));
  }
  return std::move(plan).value();
}

// Under the donor's name, which records tell.
Model extracted(const Model& donor, const Model* target = nullptr, ExtractForm form = ExtractForm::kSidecar) {
  return parse_model(donor.file->path(),
                     spell(extract_plan(donor, target, form), target != nullptr ? *target : donor, donor));
}

std::vector<std::string> key_names(const Model& model) {
  std::vector<std::string> names;
  for (const auto& item : model.gguf.keys) {
    names.push_back(item.key);
  }
  return names;
}

std::span<const std::byte> data_of(const Model& model, std::string_view name) {
  const auto* tensor = model.gguf.find_tensor(name);
  return tensor != nullptr ? std::span(model.bytes()).subspan(tensor->offset, tensor->size_bytes)
                           : std::span<const std::byte>();
}

void expect_same_data(const Model& a, const Model& b, std::string_view name) {
  EXPECT_FALSE(data_of(a, name).empty()) << name;
  EXPECT_TRUE(std::ranges::equal(data_of(a, name), data_of(b, name))) << name;
}

// A full model whose head came from a graft.
Model grafted() { return graft_model(load_model(kTarget), load_model(kDonor)); }

TEST(Extract, MakesASidecarOfAFullModel) {
  const auto model = grafted();
  const auto sidecar = extracted(model);
  EXPECT_EQ(find_head(sidecar.gguf).state, HeadState::kSidecar);
  auto keys = key_names(model);
  std::erase(keys, "mtpgraft.record");
  EXPECT_EQ(key_names(sidecar), keys);
  for (const auto& item : sidecar.gguf.keys) {
    EXPECT_TRUE(item.same_value(*model.gguf.find_key(item.key))) << item.key;
  }
  for (const auto& tensor : model.gguf.tensors) {
    const auto split = split_block_name(tensor.name);
    EXPECT_EQ(sidecar.gguf.find_tensor(tensor.name) != nullptr, !split || split->block == 12) << tensor.name;
  }
  for (const auto& tensor : sidecar.gguf.tensors) {
    expect_same_data(sidecar, model, tensor.name);
  }
}

TEST(Extract, MakesADonorOfTheHeadAlone) {
  const auto model = grafted();
  const auto plan = extract_plan(model, nullptr, ExtractForm::kTensorsOnly);
  const auto head = parse_model("head.gguf", spell(plan, model, model));
  EXPECT_EQ(find_head(head.gguf).state, HeadState::kTensorsOnly);
  EXPECT_THAT(key_names(head), ElementsAre("general.architecture"));
  EXPECT_EQ(head.gguf.tensors.size(), 15U);
  EXPECT_THAT(plan.key_changes, IsEmpty());
  EXPECT_EQ(plan.first_head_block, 12U);
  for (const auto& tensor : head.gguf.tensors) {
    expect_same_data(head, model, tensor.name);
  }
}

TEST(Extract, KeepsTheAlignmentOfTheDonor) {
  const auto donor = load_model("donor-align-64");
  const auto head = extracted(donor, nullptr, ExtractForm::kTensorsOnly);
  EXPECT_THAT(key_names(head), ElementsAre("general.architecture", "general.alignment"));
  EXPECT_EQ(head.gguf.alignment, 64U);
}

TEST(Extract, NeedsNoKeysForTheHeadAlone) {
  const auto donor = load_model("donor-tensors-only-no-keys");
  const auto head = extracted(donor, nullptr, ExtractForm::kTensorsOnly);
  EXPECT_THAT(key_names(head), IsEmpty());
  EXPECT_TRUE(head.bytes() == donor.bytes());
}

TEST(Extract, OfASidecarGivesTheSidecar) {
  const auto once = extracted(grafted());
  EXPECT_TRUE(extracted(once).bytes() == once.bytes());
}

TEST(Extract, ThenGraftEqualsTheDirectGraft) {
  const auto target = load_model("target-recurrent-layers");
  for (const auto& name : donor_names()) {
    SCOPED_TRACE(name);
    const auto donor = load_model(name);
    const auto direct = graft_model(target, donor);
    const auto sidecar = extracted(donor);
    EXPECT_EQ(find_head(sidecar.gguf).state, HeadState::kSidecar);
    EXPECT_TRUE(graft_model(target, sidecar).bytes() == direct.bytes());
    // These tell less of the donor to the record.
    const auto plain = graft_model(target, donor, without_record());
    const auto head = extracted(donor, nullptr, ExtractForm::kTensorsOnly);
    EXPECT_EQ(find_head(head.gguf).state, HeadState::kTensorsOnly);
    // The donor's entries of per-layer arrays are lost with its keys.
    if (name != "donor-recurrent-layers") {
      EXPECT_TRUE(graft_model(target, head, without_record()).bytes() == plain.bytes());
    }
    const auto fitted = extracted(donor, &target);
    EXPECT_TRUE(graft_model(target, fitted, without_record()).bytes() == plain.bytes());
  }
}

TEST(Extract, ForATargetTakesItsNumbersKeysAndSharedTensors) {
  const auto target = load_model("target-recurrent-layers");
  const auto donor = load_model("donor-recurrent-layers");
  const auto plan = extract_plan(donor, &target, ExtractForm::kSidecar);
  const auto sidecar = parse_model("sidecar.gguf", spell(plan, target, donor));
  const auto graft = graft_model(target, donor, without_record());
  EXPECT_EQ(find_head(sidecar.gguf).state, HeadState::kSidecar);
  EXPECT_EQ(key_names(sidecar), key_names(graft));
  for (const auto& item : sidecar.gguf.keys) {
    EXPECT_TRUE(item.same_value(*graft.gguf.find_key(item.key))) << item.key;
  }
  for (const auto& tensor : graft.gguf.tensors) {
    const auto split = split_block_name(tensor.name);
    EXPECT_EQ(sidecar.gguf.find_tensor(tensor.name) != nullptr, !split || split->block == 12) << tensor.name;
  }
  for (const auto& tensor : sidecar.gguf.tensors) {
    expect_same_data(sidecar, graft, tensor.name);
  }
  EXPECT_EQ(plan.first_head_block, 12U);
  EXPECT_EQ(plan.head_tensors.front().name, "blk.12.attn_k.weight");
  EXPECT_EQ(plan.head_tensors.front().donor_name, "blk.8.attn_k.weight");
  for (const auto& head : plan.head_tensors) {
    EXPECT_EQ(sidecar.gguf.find_tensor(head.name)->offset, head.info.offset) << head.name;
  }
}

// Of a donor without keys and shared tensors, too, and whatever head the target has or declares.
TEST(Extract, ForATargetNeedsNothingButTheHead) {
  const auto donor = load_model("donor-tensors-only-no-keys");
  const auto plain = load_model(kTarget);
  const auto expected = extracted(donor, &plain);
  for (const std::string name : {"target-with-head", "target-placeholder"}) {
    const auto target = load_model(name);
    const auto sidecar = extracted(donor, &target);
    EXPECT_EQ(find_head(sidecar.gguf).state, HeadState::kSidecar);
    EXPECT_THAT(key_names(sidecar), testing::UnorderedElementsAreArray(key_names(expected)));
    for (const auto& tensor : expected.gguf.tensors) {
      expect_same_data(sidecar, expected, tensor.name);
    }
  }
}

TEST(Extract, TakesNoRecordAndNoSplitKeysAlong) {
  const auto model = grafted();
  const auto merged = parse_model("merged.gguf", GgufBuilder(model.bytes(), model.gguf)
                                                     .key("split.no", std::uint16_t{0})
                                                     .key("split.count", std::uint16_t{1})
                                                     .key("split.tensors.count", std::int32_t{177})
                                                     .build());
  ASSERT_NE(merged.gguf.find_key("mtpgraft.record"), nullptr);
  EXPECT_EQ(key_names(extracted(merged)), key_names(extracted(model)));
  const auto target = parse_model(
      "target.gguf",
      GgufBuilder(load_model(kTarget).bytes(), load_model(kTarget).gguf).key("split.count", std::uint16_t{1}).build());
  EXPECT_EQ(extracted(model, &target).gguf.find_key("split.count"), nullptr);
}

// What a runtime needs to draft, and what every graft of it will have.
TEST(Extract, ConvertsNormsToF32) {
  for (const std::string name : {"donor-norms-f16", "donor-norms-bf16", "donor-norms-q8_0"}) {
    SCOPED_TRACE(name);
    const auto donor = load_model(name);
    const auto data = head_data_of(donor);
    const auto head = find_head(donor.gguf);
    for (const auto form : {ExtractForm::kSidecar, ExtractForm::kTensorsOnly}) {
      const auto file = extracted(donor, nullptr, form);
      std::size_t converted = 0;
      for (std::size_t i = 0; i < head.tensors.size(); ++i) {
        const auto& before = donor.gguf.tensors[head.tensors[i]];
        const auto& after = *file.gguf.find_tensor(before.name);
        if (!before.is_vector()) {
          EXPECT_EQ(after.type, before.type);
          continue;
        }
        ++converted;
        EXPECT_NE(before.type, tensor_type::kF32);
        EXPECT_EQ(after.type, tensor_type::kF32);
        EXPECT_TRUE(std::ranges::equal(data_of(file, before.name), std::as_bytes(std::span(data.vectors[i].value()))));
      }
      EXPECT_EQ(converted, 7U);
    }
  }
}

TEST(Extract, KeepsTensorsThatTheHeadBringsItself) {
  const auto donor = load_model("donor-own-embeddings");
  const auto sidecar = extracted(donor);
  expect_same_data(sidecar, donor, "blk.8.nextn.embed_tokens.weight");
  expect_same_data(sidecar, donor, "blk.8.nextn.shared_head_head.weight");
}

TEST(Extract, RefusesDonorsWithoutAHead) {
  const std::vector<std::string> names{"donor-no-head", std::string(kTarget), "donor-no-eh-proj", "target-placeholder"};
  for (const auto form : {ExtractForm::kSidecar, ExtractForm::kTensorsOnly}) {
    for (const auto& name : names) {
      const auto plan = try_extract(load_model(name), nullptr, form);
      ASSERT_FALSE(plan.ok()) << name;
      EXPECT_TRUE(plan.error().code == ErrorCode::kIncompatible || plan.error().code == ErrorCode::kUnsupported);
      EXPECT_EQ(plan.error().path, name + ".gguf");
    }
  }
}

TEST(Extract, RefusesASidecarOfWhatHasNoSharedTensors) {
  const auto donor = load_model("head-only-base-8L-BF16");
  const auto plan = try_extract(donor, nullptr, ExtractForm::kSidecar);
  EXPECT_THAT(plan, FailsWith(ErrorCode::kIncompatible, "has no tensor 'token_embd.weight'"));
  EXPECT_EQ(plan.error().remedy, Remedy::kExtractForTarget);
  EXPECT_THAT(try_extract(donor, nullptr, ExtractForm::kTensorsOnly), IsOk());
}

TEST(Extract, RefusesATargetThatDoesNotFit) {
  const auto target = load_model(kTarget);
  for (const std::string name : {"donor-wrong-width", "donor-ffn", "donor-wrong-arch", "donor-transposed-eh-proj"}) {
    EXPECT_FALSE(try_extract(load_model(name), &target, ExtractForm::kSidecar).ok()) << name;
  }
  const auto shard = load_model("target-shard");
  EXPECT_FALSE(try_extract(load_model(kDonor), &shard, ExtractForm::kSidecar).ok());
  const auto no_trunk = load_model("mtp-base-8L-Q8_0");
  EXPECT_FALSE(try_extract(load_model(kDonor), &no_trunk, ExtractForm::kSidecar).ok());
}

TEST(Extract, WarnsAsGraftDoes) {
  const auto target = load_model(kTarget);
  const auto plan = extract_plan(load_model("donor-rope"), &target, ExtractForm::kSidecar);
  ASSERT_EQ(plan.warnings.size(), 1U);
  EXPECT_EQ(plan.warnings[0].id, "parameter-differs");
}

}  // namespace
}  // namespace mtpgraft
