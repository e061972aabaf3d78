#include "mtpgraft/strip.h"

#include <fmt/core.h>

#include <algorithm>

#include "edit_gguf.h"
#include "gguf/serialize.h"
#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/header_digest.h"

namespace mtpgraft {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Targets without a head's tensors.
std::vector<std::string> headless_names() {
  return {std::string(kTarget),
          "target-placeholder",
          "target-recurrent-layers",
          "target-placeholder-recurrent-layers",
          "target-head-count-kv-array",
          "target-head-count-kv-array-i32",
          "target-align-64",
          "target-align-4096",
          "target-v2",
          "target-shuffled-keys",
          "target-odd-keys",
          "target-unpadded-end",
          "target-extra-tensor",
          "target-odd-sizes"};
}

std::vector<std::string> donor_names() {
  return {std::string(kDonor),     "mtp-base-8L-Q4_K_M",     "head-only-base-8L-BF16", "donor-norms-q8_0",
          "donor-align-64",        "donor-head-first-order", "donor-own-embeddings",   "donor-tensors-only-no-keys",
          "donor-recurrent-layers"};
}

Result<Plan> try_strip(const GgufFile& file, bool keep_size = false) {
  return make_strip_plan(file, {.keep_size = keep_size});
}

Plan strip_plan(const Model& file, bool keep_size = false) {
  auto plan = try_strip(file.gguf, keep_size);
  if (!plan.ok()) {
    throw std::runtime_error(describe(plan.error()));
  }
  return std::move(plan).value();
}

Bytes stripped(const Model& file, bool keep_size = false) { return spell(strip_plan(file, keep_size), file, file); }

std::vector<std::string> warning_ids(const Plan& plan) {
  std::vector<std::string> ids;
  for (const auto& warning : plan.warnings) {
    ids.push_back(warning.id);
  }
  return ids;
}

std::vector<std::string> key_names(const GgufFile& file) {
  std::vector<std::string> names;
  for (const auto& item : file.keys) {
    names.push_back(item.key);
  }
  return names;
}

// The graft with other bytes in its record, whose digest then does not fit.
Model damage_record(const Model& graft) {
  auto bytes = graft.bytes();
  const auto* record = graft.gguf.find_key("mtpgraft.record");
  bytes[record->value_offset + 20] ^= std::byte{1};
  return parse_model("damaged.gguf", std::move(bytes));
}

TEST(Strip, GivesTheTargetBackForEveryPair) {
  std::vector<Model> donors;
  for (const auto& name : donor_names()) {
    donors.push_back(load_model(name));
  }
  for (const auto& name : headless_names()) {
    const auto target = load_model(name);
    for (const auto& donor : donors) {
      SCOPED_TRACE(fmt::format("{} + {}", name, donor.gguf.path));
      const auto graft = graft_model(target, donor);
      const auto plan = strip_plan(graft);
      EXPECT_TRUE(spell(plan, graft, graft) == target.bytes());
      // What declares a head and has none is restored, but nothing loads it.
      const bool is_placeholder = name.starts_with("target-placeholder");
      EXPECT_EQ(warning_ids(plan),
                is_placeholder ? std::vector<std::string>{"placeholder"} : std::vector<std::string>{});
      ASSERT_TRUE(plan.original);
      EXPECT_EQ(plan.original->file, target.file->path());
      EXPECT_EQ(plan.original->size, plan.files.front().output_size);
      const auto digest = read_target_header(*target.file, target.gguf).value().digest;
      EXPECT_EQ(plan.original->header_digest, digest);
      EXPECT_EQ(digest_planned_header(plan.files.front(), *graft.file).value(), digest);
    }
  }
}

TEST(Strip, GivesMixturesOfExpertsBack) {
  for (const std::string architecture : {"qwen35moe", "qwen3next"}) {
    const auto target = load_model(fmt::format("moe-{}-target", architecture));
    EXPECT_TRUE(stripped(graft_model(target, load_model(fmt::format("moe-{}-donor", architecture)))) == target.bytes());
  }
}

TEST(Strip, TellsWhatItTakesOut) {
  const auto graft = graft_model(load_model(kTarget), load_model(kDonor));
  const auto plan = strip_plan(graft);
  const auto head = find_head(graft.gguf);
  EXPECT_EQ(plan.removed_tensors.size(), 15U);
  EXPECT_EQ(plan.removed_tensors.front(), "blk.12.attn_k.weight");
  EXPECT_EQ(plan.removed_bytes, head.bytes);
  EXPECT_EQ(plan.files.front().tensor_count, 162U);
  std::vector<std::string> changes;
  for (const auto& change : plan.key_changes) {
    changes.push_back(fmt::format("{} {} {} -> {}", change.key, change.type, change.from, change.to));
  }
  EXPECT_THAT(changes, ElementsAre("qwen35.block_count u32 13 -> 12", "qwen35.nextn_predict_layers u32 1 -> none",
                                   "mtpgraft.record string the graft's record -> none"));
}

TEST(Strip, CopiesTheBodyInOnePiece) {
  const auto graft = graft_model(load_model(kTarget), load_model(kDonor));
  const auto plan = strip_plan(graft);
  const auto* body = std::get_if<Copy>(&plan.files.front().segments.back());
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(body->offset, graft.gguf.data_offset);
  EXPECT_EQ(body->length, plan.files.front().output_size - plan.files.front().data_offset);
  // Where disks share blocks and shift them.
  EXPECT_EQ((graft.gguf.data_offset - plan.files.front().data_offset) % kCloneBlockBytes, 0U);
}

TEST(Strip, UndoesEditsOfKeys) {
  const auto donor = load_model(kDonor);
  for (const auto name : {kTarget, std::string_view("target-odd-keys")}) {
    const auto target = load_model(name);
    const auto last = target.gguf.keys.back().key;
    const auto other = target.gguf.keys[target.gguf.keys.size() / 2].key;
    for (const auto& edits : std::vector<std::vector<KeyEdit>>{
             make_yarn_edits(target.gguf, 4).value(),
             {{"general.name", string_value("another")}, {"new.key", u32_value(1)}},
             {{"general.name", std::nullopt}},
             {{last, std::nullopt}},
             {{last, std::nullopt}, {other, std::nullopt}, {"general.name", std::nullopt}},
             {{"general.name", std::nullopt}, {"general.name", string_value("at the end")}},
             {{"new.key", u32_value(1)}, {last, f32_value(0)}, {other, std::nullopt}}}) {
      SCOPED_TRACE(fmt::format("{}, {} first", name, edits.front().key));
      auto options = graft_options(target, donor);
      options.edits = edits;
      EXPECT_TRUE(stripped(graft_model(target, donor, options)) == target.bytes());
    }
  }
}

TEST(Strip, UndoesASecondGraftOverTheFirst) {
  const auto target = load_model("target-recurrent-layers");
  auto first_options = graft_options(target, load_model(kDonor));
  first_options.edits = {{"qwen35.context_length", u32_value(77)}, {"general.name", std::nullopt}};
  const auto first = graft_model(target, load_model(kDonor), first_options);
  for (const std::string name : {"mtp-base-8L-Q4_K_M", "donor-norms-q8_0"}) {
    const auto donor = load_model(name);
    auto options = graft_options(first, donor, true);
    EXPECT_TRUE(stripped(graft_model(first, donor, options)) == target.bytes());
    options.edits = {{"qwen35.context_length", u32_value(78)}, {"general.name", string_value("again")}};
    const auto second = graft_model(first, donor, options);
    const auto plan = strip_plan(second);
    EXPECT_TRUE(spell(plan, second, second) == target.bytes());
    EXPECT_EQ(plan.original->file, target.file->path());
  }
}

// All bytes of a split model as one file, for spell().
Model composed(const OpenedModel& model) {
  Bytes bytes(model.file->size());
  EXPECT_THAT(model.file->read_at(0, bytes), IsOk());
  return {std::make_unique<MemoryFile>(model.file->path(), std::move(bytes)), model.gguf};
}

// Bytes in the padding of a file, in front of the data and behind each tensor.
Model with_padding(const Model& model, std::byte fill) {
  auto bytes = model.bytes();
  const auto fill_range = [&](std::uint64_t from, std::uint64_t to) {
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(to), fill);
  };
  fill_range(model.gguf.infos_end, model.gguf.data_offset);
  const auto& tensors = model.gguf.tensors;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    fill_range(tensors[i].offset + tensors[i].size_bytes,
               i + 1 < tensors.size() ? tensors[i + 1].offset : model.gguf.data_end);
  }
  return parse_model("padded.gguf", std::move(bytes));
}

TEST(Strip, GivesPaddingBackThatIsNotZero) {
  const auto donor = load_model(kDonor);
  for (const std::string name : {"target-12L-Q4_K_M", "target-align-64", "target-align-4096", "target-odd-sizes"}) {
    SCOPED_TRACE(name);
    const auto target = with_padding(load_model(name), std::byte{0xA5});
    ASSERT_LT(target.gguf.infos_end, target.gguf.data_offset);
    const auto graft = graft_model(target, donor);
    const auto plan = strip_plan(graft);
    EXPECT_TRUE(spell(plan, graft, graft) == target.bytes());
    EXPECT_EQ(digest_planned_header(plan.files.front(), *graft.file).value(), plan.original->header_digest);
    // One in the place of another has the target's, not the graft's.
    const auto again = graft_model(graft, donor, graft_options(graft, donor, true));
    EXPECT_TRUE(stripped(again) == target.bytes());
  }
}

// llama-gguf-split --no-tensor-first-split pads the header of a file without tensors.
TEST(Strip, GivesAFirstFileWithoutTensorsBack) {
  const auto donor = load_model(kDonor);
  const auto model = load_model(kTarget);
  for (const std::size_t padding : {std::size_t{0}, std::size_t{1}, std::size_t{32}}) {
    for (const std::byte fill : {std::byte{0}, std::byte{7}}) {
      SCOPED_TRACE(padding);
      // Of several lengths, so that both headers end anywhere.
      for (std::size_t name_bytes = 1; name_bytes < 34; name_bytes += 8) {
        GgufBuilder first(model.bytes(), model.gguf);
        GgufBuilder second;
        for (const auto& tensor : model.gguf.tensors) {
          first.without_tensor(tensor.name);
          second.tensor(tensor.name, {tensor.shape.begin(), tensor.shape.begin() + tensor.n_dims}, tensor.type,
                        tensor.size_bytes);
        }
        const auto count = static_cast<std::int32_t>(model.gguf.tensors.size());
        first.key("general.name", std::string(name_bytes, 'n'));
        std::uint16_t number = 0;
        for (auto* file : {&first, &second}) {
          file->key("split.no", number++).key("split.count", std::uint16_t{2}).key("split.tensors.count", count);
        }
        auto bytes = first.build();
        const auto padded = (bytes.size() + 31) / 32 * 32;
        bytes.resize(std::min(bytes.size() + padding, padded), fill);
        MemoryFileSystem files;
        files.put("m-00001-of-00002.gguf", bytes);
        files.put("m-00002-of-00002.gguf", second.build());
        const auto target = composed(open_model(files, "m-00001-of-00002.gguf").value());
        const auto plan = make_plan(target, donor);
        EXPECT_THAT(plan.warnings, IsEmpty());
        for (std::size_t i = 0; i < plan.files.size(); ++i) {
          files.put(format_shard_name({"out", i + 1, 3}), spell(plan.files[i], target, donor));
        }
        const auto graft = composed(open_model(files, "out-00001-of-00003.gguf").value());
        const auto strip = strip_plan(graft);
        EXPECT_THAT(strip.warnings, IsEmpty());
        EXPECT_TRUE(spell(strip, graft, graft) == bytes);
        EXPECT_EQ(digest_planned_header(strip.files.front(), *graft.file).value(), strip.original->header_digest);
      }
    }
  }
}

// Under the record's name, but nothing that this program wrote, or can still read.
TEST(Strip, GivesBackWhatHadTheRecordsName) {
  const auto model = load_model(kTarget);
  const auto donor = load_model(kDonor);
  const auto builder = [&] { return GgufBuilder(model.bytes(), model.gguf); };
  const auto earlier = damage_record(graft_model(model, donor)).gguf;
  const std::vector<Bytes> targets = {
      builder().key("mtpgraft.record", std::uint32_t{7}).build(),
      builder().key("mtpgraft.record", "not JSON").build(),
      builder().key("mtpgraft.record", R"({"record":2,"target":{}})").build(),
      builder().key("mtpgraft.record", std::vector<std::string>{"a", "b"}).key("z.last", std::uint8_t{1}).build(),
      builder().key("mtpgraft.record", *earlier.find_key("mtpgraft.record")->text()).build(),
  };
  for (const auto& bytes : targets) {
    const auto target = parse_model("foreign.gguf", bytes);
    const auto plan = make_plan(target, donor);
    EXPECT_THAT(warning_ids(plan), ElementsAre("record-unusable"));
    const auto graft = graft_model(target, donor);
    EXPECT_TRUE(find_record_labels(graft.gguf));
    const auto strip = strip_plan(graft);
    EXPECT_THAT(strip.warnings, IsEmpty());
    EXPECT_TRUE(spell(strip, graft, graft) == bytes);

    EXPECT_THAT(make_plan(target, donor, without_record()).warnings, IsEmpty());
    const auto plain = graft_model(target, donor, without_record());
    const auto* kept = plain.gguf.find_key("mtpgraft.record");
    ASSERT_NE(kept, nullptr);
    EXPECT_TRUE(kept->same_value(*target.gguf.find_key("mtpgraft.record")));
  }
}

// What the graft dropped is gone; everything else is there.
TEST(Strip, WarnsOfTrailingBytesThatAreLost) {
  const auto target = load_model("target-trailing-bytes");
  const auto graft = graft_model(target, load_model(kDonor));
  const auto plan = strip_plan(graft);
  ASSERT_THAT(warning_ids(plan), ElementsAre("trailing-bytes"));
  EXPECT_THAT(plan.warnings[0].message, HasSubstr("the original had 5000 bytes after its last tensor"));
  auto expected = target.bytes();
  expected.resize(expected.size() - 5000);
  EXPECT_TRUE(spell(plan, graft, graft) == expected);
}

// The numbers of a model with a head, and no head: nothing would load that.
TEST(Strip, LeavesNoPlaceholderWhereTheGraftReplacedTheTargetsOwnHead) {
  const auto donor = load_model(kDonor);
  for (const std::string name : {"target-with-head", "target-with-head-first", "target-head-norms-f16"}) {
    SCOPED_TRACE(name);
    const auto target = load_model(name);
    const auto graft = graft_model(target, donor, graft_options(target, donor, true));
    const auto plan = strip_plan(graft);
    EXPECT_TRUE(spell(plan, graft, graft) == stripped(target));
    EXPECT_FALSE(plan.original);
    ASSERT_THAT(warning_ids(plan), ElementsAre("record-unusable"));
    EXPECT_THAT(plan.warnings[0].message, HasSubstr("177 tensors"));
  }
}

TEST(Strip, LeavesNoShardThatAsksForTheFileOfAReplacedHead) {
  const auto donor = load_model(kDonor);
  for (const auto split : {Split::kAsTarget, Split::kMerge}) {
    MemoryFileSystem files;
    for (std::uint64_t i = 1; i <= 3; ++i) {
      const auto name = format_shard_name({"with-head", i, 3});
      files.put(name, read_bytes(std::filesystem::path(FIXTURES_DIR) / "split" / name));
    }
    const auto target = composed(open_model(files, format_shard_name({"with-head", 1, 3})).value());
    auto options = graft_options(target, donor, true);
    options.split = split;
    const auto plan = make_plan(target, donor, options);
    for (std::size_t i = 0; i < plan.files.size(); ++i) {
      files.put(split == Split::kMerge ? "out.gguf" : format_shard_name({"out", i + 1, plan.files.size()}),
                spell(plan.files[i], target, donor));
    }
    const auto graft =
        composed(open_model(files, split == Split::kMerge ? "out.gguf" : format_shard_name({"out", 1, 3})).value());
    const auto stripped = strip_plan(graft);
    EXPECT_FALSE(stripped.original);
    EXPECT_THAT(warning_ids(stripped), ElementsAre("record-unusable"));
    const auto first = parse_model("out-00001-of-00002.gguf", spell(stripped, graft, graft));
    EXPECT_EQ(read_depth(first.gguf).block_count, 12U);
    EXPECT_EQ(first.gguf.find_arch_key("nextn_predict_layers"), nullptr);
    const auto* count = first.gguf.find_key(kSplitCountKey);
    EXPECT_EQ(count != nullptr ? count->value.unsigned_at() : 1, split == Split::kMerge ? 1U : 2U);
  }
}

TEST(Strip, WithoutARecordMakesATrunkWithCleanKeys) {
  for (const std::string name : {"target-with-head", "target-with-head-first", "target-undeclared-head",
                                 "target-broken-head", "target-head-norms-f16", "target-placeholder"}) {
    SCOPED_TRACE(name);
    const auto file = load_model(name);
    const auto plan = strip_plan(file);
    EXPECT_TRUE(spell(plan, file, file) == load_model(kTarget).bytes());
    EXPECT_THAT(plan.warnings, IsEmpty());
    EXPECT_FALSE(plan.original);
  }
}

TEST(Strip, WithoutARecordUndoesWhatAGraftIsKnownToDo) {
  for (const auto& name : headless_names()) {
    SCOPED_TRACE(name);
    const auto target = load_model(name);
    const auto donor = load_model("donor-recurrent-layers");
    auto expected = target.bytes();
    if (name.starts_with("target-placeholder")) {
      expected = stripped(target);  // its numbers are not to come back
    } else if (name == "target-unpadded-end") {
      expected.resize(expected.size() + 16);
    }
    EXPECT_TRUE(stripped(graft_model(target, donor, without_record())) == expected);
  }
}

TEST(Strip, CutsPerLayerArraysOfAPlaceholder) {
  const auto file = load_model("target-placeholder-recurrent-layers");
  const auto trunk = parse_model("trunk.gguf", stripped(file));
  const auto* array = trunk.gguf.find_arch_key("attention.recurrent_layers");
  ASSERT_NE(array, nullptr);
  EXPECT_EQ(array->value.element_count, 12U);
  EXPECT_EQ(array->value.element_type, ValueType::kBool);
  EXPECT_EQ(trunk.gguf.find_arch_key("block_count")->value.unsigned_at(), 12U);
  EXPECT_EQ(trunk.gguf.find_arch_key("nextn_predict_layers"), nullptr);
  EXPECT_EQ(find_head(trunk.gguf).state, HeadState::kNone);
}

// So that it can be changed where it is: the bytes of two numbers.
TEST(Strip, KeepsTheSizeOfAPlaceholder) {
  const auto file = load_model("target-placeholder");
  const auto plan = strip_plan(file, true);
  const auto bytes = spell(plan, file, file);
  ASSERT_EQ(bytes.size(), file.bytes().size());
  std::size_t differing = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    differing += bytes[i] != file.bytes()[i] ? 1 : 0;
  }
  EXPECT_EQ(differing, 2U);
  const auto trunk = parse_model("trunk.gguf", bytes);
  EXPECT_EQ(key_names(trunk.gguf), key_names(file.gguf));
  EXPECT_EQ(trunk.gguf.find_arch_key("block_count")->value.unsigned_at(), 12U);
  EXPECT_EQ(trunk.gguf.find_arch_key("nextn_predict_layers")->value.unsigned_at(), 0U);
  EXPECT_EQ(find_head(trunk.gguf).state, HeadState::kNone);
  EXPECT_THAT(plan.removed_tensors, IsEmpty());
}

TEST(Strip, IsTheSameInPlaceForAGraft) {
  const auto graft = graft_model(load_model(kTarget), load_model(kDonor));
  EXPECT_TRUE(stripped(graft, true) == stripped(graft));
}

TEST(Strip, DoesWithoutADamagedRecord) {
  const auto target = load_model(kTarget);
  const auto damaged = damage_record(graft_model(target, load_model(kDonor)));
  const auto plan = strip_plan(damaged);
  ASSERT_THAT(warning_ids(plan), ElementsAre("record-unusable"));
  EXPECT_THAT(plan.warnings[0].message, HasSubstr("its own digest does not fit"));
  EXPECT_FALSE(plan.original);
  EXPECT_TRUE(spell(plan, damaged, damaged) == target.bytes());
}

TEST(Strip, DoesWithoutARecordThatDoesNotFitTheKeys) {
  const auto target = load_model(kTarget);
  const auto graft = graft_model(target, load_model(kDonor));
  const auto edited = parse_model(
      "edited.gguf", GgufBuilder(graft.bytes(), graft.gguf).without_key("qwen35.nextn_predict_layers").build());
  const auto plan = strip_plan(edited);
  ASSERT_THAT(warning_ids(plan), ElementsAre("record-unusable"));
  EXPECT_THAT(plan.warnings[0].message, HasSubstr("keys that it tells of are no longer in the file"));
  EXPECT_TRUE(spell(plan, edited, edited) == target.bytes());
}

// Another tool's changes stay, and the digest tells that this is not the original.
TEST(Strip, KeepsKeysThatChangedAfterTheGraft) {
  const auto target = load_model(kTarget);
  const auto graft = graft_model(target, load_model(kDonor));
  for (const std::string name : {"x", "a name that is longer than the one that was there before, by many bytes"}) {
    const auto renamed = parse_model(
        "renamed.gguf", GgufBuilder(graft.bytes(), graft.gguf).key("general.name", std::string_view(name)).build());
    const auto plan = strip_plan(renamed);
    EXPECT_THAT(plan.warnings, IsEmpty());
    ASSERT_TRUE(plan.original);
    EXPECT_NE(digest_planned_header(plan.files.front(), *renamed.file).value(), plan.original->header_digest);
    const auto trunk = parse_model("trunk.gguf", spell(plan, renamed, renamed));
    EXPECT_EQ(trunk.gguf.find_key("general.name")->text(), name);
    EXPECT_EQ(key_names(trunk.gguf), key_names(target.gguf));
  }
}

TEST(Strip, RegionsAndSegmentsTileTheOutput) {
  const auto graft = graft_model(load_model("target-odd-keys"), load_model(kDonor));
  const auto plan = strip_plan(graft);
  std::uint64_t segments_end = 0;
  for (const auto& segment : plan.files.front().segments) {
    segments_end += segment_length(segment);
  }
  EXPECT_EQ(segments_end, plan.files.front().output_size);
  std::uint64_t regions_end = 0;
  for (const auto& region : plan.files.front().regions) {
    EXPECT_EQ(region.offset, regions_end);
    regions_end += region.length;
  }
  EXPECT_EQ(regions_end, plan.files.front().output_size);
}

TEST(Strip, RefusesWhatHasNoHeadOrNothingElse) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {std::string(kTarget), "has no head to take out"},
      {std::string(kDonor), "is a head without trunk: nothing would be left"},
      {"head-only-base-8L-BF16", "is a head without trunk: nothing would be left"},
      {"donor-tensors-only-no-keys", "is a head without trunk: nothing would be left"},
  };
  for (const auto& [name, message] : cases) {
    const auto plan = try_strip(load_model(name).gguf);
    EXPECT_THAT(plan, FailsWith(ErrorCode::kIncompatible, message)) << name;
    EXPECT_EQ(plan.error().path, name + ".gguf");
  }
  EXPECT_THAT(try_strip(load_model("target-shard").gguf), Not(IsOk()));
}

TEST(Strip, RefusesToLeaveAHeadsTensorsBehind) {
  for (const std::string name : {"mtp.fc.weight", "nextn.fc_embd.weight", "blk.13.attn_q.weight"}) {
    auto model = load_model("target-with-head");
    edit_tensor(model.gguf, "blk.12.nextn.shared_head_norm.weight").name = name;
    EXPECT_THAT(make_strip_plan(model.gguf, {}), FailsWith(ErrorCode::kIncompatible, "'" + name + "'"));
  }
}

TEST(Strip, RefusesAHeadThatDoesNotTellWhereTheTrunkEnds) {
  auto file = load_model("target-with-head");
  set_u32(file.gguf, "qwen35.nextn_predict_layers", 13);
  const auto plan = try_strip(file.gguf);
  EXPECT_THAT(plan, FailsWith(ErrorCode::kIncompatible, "does not tell where the trunk ends"));
  EXPECT_THAT(plan.error().details, Contains(HasSubstr("nextn_predict_layers 13 is not below block_count 13")));
}

}  // namespace
}  // namespace mtpgraft
