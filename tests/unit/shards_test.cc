// Split models in plans: the files that stay, and the one that holds a head for itself.
#include <fmt/core.h>

#include <algorithm>

#include "matchers.h"
#include "models.h"
#include "mtpgraft/strip.h"
#include "mtpgraft/verify.h"
#include "plan/record.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct SplitGraft {
  std::vector<Model> shards;
  OpenedModel target;
  Model donor = load_model(kDonor);
  Plan plan;
};

SplitGraft graft_split(std::string_view prefix, std::uint64_t count, bool replace = false) {
  SplitGraft made;
  MemoryFileSystem files;
  const auto name = [&](std::uint64_t i) { return format_shard_name({std::string(prefix), i, count}); };
  for (std::uint64_t i = 1; i <= count; ++i) {
    auto bytes = read_bytes(std::filesystem::path(FIXTURES_DIR) / "split" / name(i));
    files.put(name(i), bytes);
    made.shards.push_back(parse_model(name(i), std::move(bytes)));
  }
  made.target = open_model(files, name(1)).value();
  made.plan =
      make_graft_plan(made.target.gguf, made.donor.gguf, head_data_of(made.donor), without_record(replace)).value();
  return made;
}

const Region* find_region(const FilePlan& plan, Region::Kind kind, const std::string& name) {
  const auto found = std::ranges::find_if(
      plan.regions, [&](const Region& region) { return region.kind == kind && region.name == name; });
  return found != plan.regions.end() ? &*found : nullptr;
}

TEST(KeptShard, IsCopiedAsAWholeAndNamedByItsOwnHeader) {
  for (const auto& [prefix, count] : {std::pair("four-Q4_K_M", 4U), {"bare", 3U}, {"aligned", 3U}}) {
    const auto made = graft_split(prefix, count);
    ASSERT_EQ(made.plan.files.size(), count + 1U);
    for (std::size_t i = 1; i < count; ++i) {
      SCOPED_TRACE(fmt::format("{} {}", prefix, i));
      const auto& plan = made.plan.files[i];
      const auto& shard = made.shards[i].gguf;
      EXPECT_EQ(plan.kept_shard, i);
      EXPECT_EQ(plan.output_size, shard.size);
      EXPECT_EQ(plan.tensor_count, shard.tensors.size());
      std::uint64_t at = 0;
      for (const auto& region : plan.regions) {
        EXPECT_EQ(region.offset, at);
        at += region.length;
      }
      EXPECT_EQ(at, shard.size);
      EXPECT_EQ(plan.regions[0].kind, Region::Kind::kHeader);
      EXPECT_EQ(plan.regions[0].length, shard.tensors.front().info_offset);
      for (const auto& tensor : shard.tensors) {
        const auto* info = find_region(plan, Region::Kind::kTensorInfo, tensor.name);
        const auto* data = find_region(plan, Region::Kind::kTensorData, tensor.name);
        ASSERT_NE(info, nullptr);
        ASSERT_NE(data, nullptr);
        EXPECT_EQ(info->offset, tensor.info_offset);
        EXPECT_EQ(info->offset + info->length, tensor.info_end);
        EXPECT_EQ(data->offset, tensor.offset);
        EXPECT_EQ(data->length, tensor.size_bytes);
      }
      std::uint64_t copied = 0;
      for (const auto& segment : plan.segments) {
        const auto& copy = std::get<Copy>(segment);
        EXPECT_EQ(copy.source, Source::kTarget);
        EXPECT_EQ(copy.offset, made.target.gguf.files[i].offset + copied);
        copied += copy.length;
      }
      EXPECT_EQ(copied, shard.size);
    }
  }
}

TEST(KeptShard, ThatDiffersIsNamedByVerify) {
  const auto made = graft_split("four-Q4_K_M", 4);
  const auto& shard = made.shards[2];
  const auto findings = [&](std::uint64_t offset) {
    auto bytes = shard.bytes();
    bytes[offset] ^= std::byte{1};
    const auto report = compare_with_plan(MemoryFile("x.gguf", std::move(bytes)), made.plan.files[2], *made.target.file,
                                          *made.donor.file, SharedExtents::kRead, keep_going);
    std::vector<std::string> messages;
    for (const auto& finding : report.value().findings) {
      EXPECT_EQ(finding.offset, offset);
      messages.push_back(finding.message);
    }
    return messages;
  };
  const auto& first = shard.gguf.tensors.front();
  EXPECT_THAT(findings(9), ElementsAre(HasSubstr("the header differs: 1 of")));
  EXPECT_THAT(findings(first.info_offset), ElementsAre(HasSubstr(fmt::format("the info of tensor '{}'", first.name))));
  EXPECT_THAT(findings(first.offset), ElementsAre(HasSubstr(fmt::format("the data of tensor '{}'", first.name))));
}

std::uint64_t number_of(const Model& model, std::string_view key) {
  return model.gguf.find_key(key)->value.unsigned_at().value();
}

// llama.cpp refuses other numbers, and other types.
TEST(SplitGraft, NumbersItsFiles) {
  const auto made = graft_split("four-Q4_K_M", 4);
  const auto whole = parse_model("target", [&] {
    Bytes bytes(made.target.file->size());
    EXPECT_THAT(made.target.file->read_at(0, bytes), IsOk());
    return bytes;
  }());
  const auto spelled = [&](std::size_t i) {
    Model target{std::make_unique<MemoryFile>("target", whole.bytes()), made.target.gguf};
    return parse_model("shard", spell(made.plan.files[i], target, made.donor));
  };
  std::size_t tensors = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    const auto shard = spelled(i);
    tensors += shard.gguf.tensors.size();
    EXPECT_EQ(number_of(shard, kSplitNumberKey), i);
    EXPECT_EQ(shard.gguf.find_key(kSplitNumberKey)->value.type, ValueType::kU16);
  }
  const auto first = spelled(0);
  EXPECT_EQ(number_of(first, kSplitCountKey), 5U);
  EXPECT_EQ(first.gguf.find_key(kSplitCountKey)->value.type, ValueType::kU16);
  EXPECT_EQ(number_of(first, kSplitTensorsKey), tensors);
  EXPECT_EQ(first.gguf.find_key(kSplitTensorsKey)->value.type, ValueType::kI32);
  const auto head = spelled(4);
  EXPECT_EQ(number_of(head, kSplitCountKey), 5U);
  EXPECT_EQ(head.gguf.tensors.size(), 15U);
  EXPECT_EQ(head.gguf.keys.size(), 3U);
  EXPECT_EQ(made.plan.files[4].kept_shard, std::nullopt);
}

// Else strip would not know what is left of it.
TEST(SplitGraft, ThatIsMergedRecordsTheWholeModel) {
  const auto made = graft_split("four-Q4_K_M", 4);
  const GraftOptions options{
      .labels = RecordLabels{"mtpgraft 0.1.0", "target", "donor"}, .target_header = {}, .split = Split::kMerge};
  const auto plan = make_graft_plan(made.target.gguf, made.donor.gguf, head_data_of(made.donor), options).value();
  ASSERT_EQ(plan.files.size(), 1U);
  Bytes bytes(made.target.file->size());
  ASSERT_THAT(made.target.file->read_at(0, bytes), IsOk());
  const Model target{std::make_unique<MemoryFile>("target", std::move(bytes)), made.target.gguf};
  const auto merged = parse_model("merged.gguf", spell(plan, target, made.donor));
  const auto record = find_record(merged.gguf);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->origin.tensor_count, 162U);
  EXPECT_EQ(record->origin.size, made.target.gguf.size);
  EXPECT_EQ(record->origin.key_count, made.target.gguf.keys.size() - 3);
  EXPECT_FALSE(record->origin.header_digest) << "nobody has seen that file";
  const auto stripped = make_strip_plan(merged.gguf, {});
  ASSERT_THAT(stripped, IsOk());
  EXPECT_THAT(stripped.value().warnings, IsEmpty());
  EXPECT_EQ(stripped.value().tensor_count(), 162U);
}

TEST(SplitGraft, PutsANewHeadInThePlaceOfTheFileThatHasTheOld) {
  const auto made = graft_split("with-head", 3, true);
  ASSERT_EQ(made.plan.files.size(), 3U);
  std::vector<std::optional<std::size_t>> kept;
  for (const auto& file : made.plan.files) {
    kept.push_back(file.kept_shard);
  }
  const auto with_head = std::ranges::find_if(made.shards, [](const Model& shard) {
    return shard.gguf.tensors.size() == 15 && shard.gguf.tensors[0].name.starts_with("blk.12.");
  });
  ASSERT_NE(with_head, made.shards.end());
  EXPECT_EQ(kept[static_cast<std::size_t>(with_head - made.shards.begin())], std::nullopt);
  EXPECT_EQ(std::ranges::count(kept, std::optional<std::size_t>()), 2);
}

}  // namespace
}  // namespace mtpgraft
