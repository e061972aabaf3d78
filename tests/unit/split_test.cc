#include "mtpgraft/split.h"

#include <fmt/core.h>

#include <functional>

#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/head.h"

namespace mtpgraft {
namespace {

std::string name(std::string_view prefix, std::uint64_t number, std::uint64_t count) {
  return format_shard_name({std::string(prefix), number, count});
}

// The fixture in memory, under its own names.
void load_set(std::string_view prefix, std::uint64_t count, MemoryFileSystem& files) {
  for (std::uint64_t i = 1; i <= count; ++i) {
    const auto path = name(prefix, i, count);
    files.put(path, read_bytes(std::filesystem::path(FIXTURES_DIR) / "split" / path));
  }
}

Bytes data_of(const OpenedModel& model, const TensorInfo& tensor) {
  Bytes bytes(tensor.size_bytes);
  EXPECT_THAT(model.file->read_at(tensor.offset, bytes), IsOk());
  return bytes;
}

TEST(ShardName, IsWhatLlamaCppWrites) {
  const auto shard = parse_shard_name("a dir/X-Q4_K_M-00002-of-00010.gguf");
  ASSERT_TRUE(shard);
  EXPECT_EQ(shard->prefix, "a dir/X-Q4_K_M");
  EXPECT_EQ(shard->number, 2U);
  EXPECT_EQ(shard->count, 10U);
  EXPECT_EQ(format_shard_name(*shard), "a dir/X-Q4_K_M-00002-of-00010.gguf");
  for (const auto* other :
       {"X.gguf", "X-2-of-10.gguf", "X-00011-of-00010.gguf", "X-00000-of-00010.gguf", "X-00002_of-00010.gguf",
        "X-00002-of-00010.GGUF", "X-00002-of-00010.gguf.part", "", "X-000 2-of-00010.gguf", "X-+0002-of-00010.gguf"}) {
    EXPECT_FALSE(parse_shard_name(other)) << other;
  }
}

TEST(Split, IsReadAsTheModelThatWasSplit) {
  const auto whole = load_model(kTarget);
  for (const auto& [prefix, count] : {std::pair("four-Q4_K_M", 4U), {"bare", 3U}, {"aligned", 3U}}) {
    SCOPED_TRACE(prefix);
    MemoryFileSystem files;
    load_set(prefix, count, files);
    const auto result = open_model(files, name(prefix, 1, count));
    ASSERT_THAT(result, IsOk());
    const auto& model = result.value();
    EXPECT_EQ(model.gguf.files.size(), count);
    EXPECT_EQ(find_head(model.gguf).state, HeadState::kNone);
    ASSERT_EQ(model.gguf.tensors.size(), whole.gguf.tensors.size());
    for (std::size_t i = 0; i < whole.gguf.tensors.size(); ++i) {
      const auto& tensor = model.gguf.tensors[i];
      EXPECT_EQ(tensor.name, whole.gguf.tensors[i].name);
      EXPECT_TRUE(data_of(model, tensor) == data_of(opened(whole), whole.gguf.tensors[i])) << tensor.name;
    }
  }
}

// Cloning needs this.
TEST(Split, LeadsToTheShardsAtTheSamePlaceOfABlock) {
  MemoryFileSystem files;
  load_set("four-Q4_K_M", 4, files);
  const auto model = open_model(files, name("four-Q4_K_M", 1, 4));
  ASSERT_THAT(model, IsOk());
  for (const auto& tensor : model.value().gguf.tensors) {
    const auto pieces = model.value().file->pieces({tensor.offset, tensor.size_bytes});
    ASSERT_EQ(pieces.size(), 1U);
    EXPECT_EQ(pieces[0].file->path(), model.value().gguf.file_at(tensor.offset).path);
    EXPECT_EQ(pieces[0].range.offset % kCloneBlockBytes, tensor.offset % kCloneBlockBytes);
  }
}

TEST(Split, OpensTheOthersOnlyOfAFirstShard) {
  MemoryFileSystem files;
  load_set("four-Q4_K_M", 4, files);
  const auto second = open_model(files, name("four-Q4_K_M", 2, 4));
  ASSERT_THAT(second, IsOk());
  EXPECT_TRUE(is_lone_shard(second.value().gguf));
  EXPECT_EQ(find_head(second.value().gguf).state, HeadState::kShard);
  // A whole model may be named like a shard.
  files.put("x-00001-of-00007.gguf", read_bytes(model_path(kTarget)));
  const auto whole = open_model(files, "x-00001-of-00007.gguf");
  ASSERT_THAT(whole, IsOk());
  EXPECT_FALSE(is_lone_shard(whole.value().gguf));
}

// So that its bytes can be compared with those of another, as far as it has them.
TEST(Split, FindsTheFilesOfADamagedModelByName) {
  MemoryFileSystem files;
  load_set("four-Q4_K_M", 4, files);
  auto bytes = *files.find(name("four-Q4_K_M", 1, 4));
  bytes[0] = std::byte{0};
  files.put(name("four-Q4_K_M", 1, 4), std::move(bytes));
  const auto opened = open_model_files(files, name("four-Q4_K_M", 1, 4));
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened.value().size(), 4U);
  EXPECT_THAT(read_model(opened.value()), FailsWith(ErrorCode::kMalformed, "not a GGUF file"));
}

TEST(Split, NamesTheShardThatIsMissing) {
  MemoryFileSystem files;
  load_set("four-Q4_K_M", 4, files);
  ASSERT_THAT(files.remove(name("four-Q4_K_M", 3, 4)), IsOk());
  const auto model = open_model(files, name("four-Q4_K_M", 1, 4));
  EXPECT_THAT(model, FailsWith(ErrorCode::kIo, "shard 3 of 4"));
  EXPECT_EQ(model.error().path, name("four-Q4_K_M", 3, 4));
}

// llama.cpp refuses the same, or ends the program.
TEST(Split, RefusesShardsWhoseNumbersDoNotFit) {
  const auto error_with = [](std::uint64_t shard, const std::function<void(GgufBuilder&)>& edit) {
    MemoryFileSystem files;
    load_set("four-Q4_K_M", 4, files);
    const auto path = name("four-Q4_K_M", shard, 4);
    const auto& bytes = *files.find(path);
    GgufBuilder builder(bytes, parse_model(path, bytes).gguf);
    edit(builder);
    files.put(path, builder.build());
    const auto model = open_model(files, name("four-Q4_K_M", 1, 4));
    EXPECT_FALSE(model.ok());
    if (model.ok()) {
      return std::string();
    }
    EXPECT_EQ(model.error().code, ErrorCode::kMalformed);
    EXPECT_EQ(model.error().path, path);
    return model.error().message;
  };
  using testing::HasSubstr;
  EXPECT_THAT(error_with(3, [](auto& builder) { builder.key("split.no", std::uint16_t{3}); }),
              HasSubstr("key 'split.no' is 3, expected 2"));
  EXPECT_THAT(error_with(4, [](auto& builder) { builder.key("split.no", std::uint32_t{3}); }),
              HasSubstr("key 'split.no' is u32, it must be u16"));
  EXPECT_THAT(error_with(1, [](auto& builder) { builder.key("split.no", std::uint32_t{0}); }),
              HasSubstr("key 'split.no' is u32, it must be u16"));
  EXPECT_THAT(error_with(1, [](auto& builder) { builder.key("split.count", std::uint32_t{4}); }),
              HasSubstr("key 'split.count' is u32, it must be u16"));
  EXPECT_THAT(error_with(1, [](auto& builder) { builder.key("split.count", std::uint16_t{3}); }),
              HasSubstr("is the first of 3 files by its keys, so its name must end with '-00001-of-00003.gguf'"));
  EXPECT_THAT(error_with(1, [](auto& builder) { builder.key("split.tensors.count", std::int32_t{161}); }),
              HasSubstr("key 'split.tensors.count' is 161, expected 162"));
  EXPECT_THAT(error_with(1, [](auto& builder) { builder.key("split.tensors.count", std::uint32_t{162}); }),
              HasSubstr("key 'split.tensors.count' is u32, it must be i32"));
}

TEST(Split, RefusesATensorThatStandsInTwoShards) {
  MemoryFileSystem files;
  load_set("four-Q4_K_M", 4, files);
  const auto path = name("four-Q4_K_M", 4, 4);
  const auto third = parse_model("3", *files.find(name("four-Q4_K_M", 3, 4)));
  auto shard = parse_model(path, *files.find(path));
  shard.gguf.tensors.front().name = third.gguf.tensors.back().name;
  files.put(path, GgufBuilder(shard.bytes(), shard.gguf).build());
  const auto model = open_model(files, name("four-Q4_K_M", 1, 4));
  ASSERT_THAT(model, FailsWith(ErrorCode::kMalformed, "stands in another shard, too"));
  EXPECT_EQ(model.error().path, path);
  EXPECT_LT(model.error().offset, files.find(path)->size());
}

TEST(Split, TakesAShardWithAWholeHeadForADonor) {
  MemoryFileSystem files;
  load_set("donor", 2, files);
  const auto of_two = open_donor_model(files, name("donor", 1, 2));
  ASSERT_THAT(of_two, IsOk());
  EXPECT_EQ(find_head(of_two.value().gguf).state, HeadState::kSidecar);
  const auto second = open_donor_model(files, name("donor", 2, 2));
  ASSERT_THAT(second, IsOk());
  const auto head = find_head(second.value().gguf);
  EXPECT_EQ(head.state, HeadState::kShard);
  EXPECT_EQ(head.tensors.size(), 15U);
  EXPECT_TRUE(head.problems.empty());
  ASSERT_THAT(files.remove(name("donor", 2, 2)), IsOk());
  EXPECT_THAT(open_donor_model(files, name("donor", 1, 2)), FailsWith(ErrorCode::kIo, "shard 2 of 2"));
}

}  // namespace
}  // namespace mtpgraft
